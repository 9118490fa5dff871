# The guest of the rig: a boot sector whose two counters prove what a migration moved.
#
# On every timer tick (18 a second) it changes one byte in each of 112 pages and writes a line
#     counter=<n> device=<m>
# to the first serial port. n lives in RAM. m lives nowhere but in the scratch registers of the first
# mtty device (low byte in its port 0, high byte in port 1), so m follows n, modulo 65536, only as
# long as every migration carries the device's state. Without such a device the line is `counter=<n>`.

    .intel_syntax noprefix
    .code16
    .text

    .set COM1, 0x3f8
    .set COM1_STATUS, COM1 + 5
    .set PCI_ADDRESS, 0xcf8
    .set PCI_DATA, 0xcfc
    .set MTTY_ID, 0x32534348
    .set SCRATCH, 7

start:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    ljmp 0, offset find_device

find_device:
    mov ebx, 0x80000000             # bus 0, device 0, register 0
next_device:
    mov eax, ebx
    call pci_read
    cmp eax, MTTY_ID
    je found_device
    add ebx, 0x800
    cmp ebx, 0x80010000
    jb next_device
    jmp tick

found_device:
    lea eax, [ebx + 4]
    call pci_read
    or eax, 1                       # answer at I/O ports
    out dx, eax
    lea eax, [ebx + 0x10]
    call pci_read
    call scratch_port
    mov [port_low], ax
    lea eax, [ebx + 0x14]
    call pci_read
    call scratch_port
    mov [port_high], ax

tick:
    sti
    hlt
    cli
    mov bx, 0x1000                  # segments 0x1000..0x7f00: one byte in each page
dirty_page:
    mov es, bx
    inc byte ptr es:[0]
    add bx, 0x100
    cmp bx, 0x8000
    jb dirty_page

    inc dword ptr [counter]
    mov si, offset text_counter
    call print
    mov eax, [counter]
    call print_decimal
    mov dx, [port_low]
    test dx, dx
    jz end_line

    in al, dx
    inc al
    out dx, al
    mov cl, al
    mov dx, [port_high]
    in al, dx
    test cl, cl
    jnz no_carry
    inc al
    out dx, al
no_carry:
    mov ch, al
    mov si, offset text_device
    call print
    movzx eax, cx
    call print_decimal
end_line:
    mov al, 10
    call print_char
    jmp tick

# eax: address -> eax: value; dx stays on the data port.
pci_read:
    mov dx, PCI_ADDRESS
    out dx, eax
    mov dx, PCI_DATA
    in eax, dx
    ret

# eax: value of an I/O base address register -> ax: the scratch register's port, cleared.
scratch_port:
    and ax, 0xfffc
    add ax, SCRATCH
    mov dx, ax
    push ax
    xor al, al
    out dx, al
    pop ax
    ret

print:
    lodsb
    test al, al
    jz print_done
    call print_char
    jmp print
print_done:
    ret

print_decimal:
    xor edi, edi                    # number of digits
    mov ebx, 10
divide:
    xor edx, edx
    div ebx
    push dx
    inc di
    test eax, eax
    jnz divide
print_digit:
    pop ax
    add al, '0'
    push di
    call print_char
    pop di
    dec di
    jnz print_digit
    ret

print_char:
    mov ah, al
wait_ready:
    mov dx, COM1_STATUS
    in al, dx
    test al, 0x20
    jz wait_ready
    mov dx, COM1
    mov al, ah
    out dx, al
    ret

text_counter: .asciz "counter="
text_device:  .asciz " device="
    .balign 4
counter:      .long 0
port_low:     .word 0
port_high:    .word 0

    .org 510
    .word 0xaa55
