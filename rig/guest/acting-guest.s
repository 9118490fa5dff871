# Reference source of acting-guest.ts: the guest of boot-sector.s in more than one sector. It does
# one thing by itself (sleep, power off, panic, reset), and it writes and checks a data disk.
#   as --32 -o acting-guest.o acting-guest.s
#   objcopy -O binary -j .text acting-guest.o acting-guest.bin
# acting-guest.test.ts assembles this file and compares the result with acting-guest-code.ts, byte
# by byte. The parameters are zero here; acting-guest.ts patches them.

        .equ    ORIGIN, 0x7c00          # where the BIOS loads and enters us
        .equ    SECTOR, 512
        .equ    IDT, 0x1000             # only vectors 0x20..0x27 are filled
        .equ    COUNTER, 0x2000         # variables and stack share one page, away from the code:
        .equ    ERRORS, 0x2004          # a store into a page that holds code makes TCG retranslate
        .equ    ACCUMULATOR, 0x2008     # bytes owed to the dirty rate, times 100
        .equ    COUNTDOWN, 0x200c       # ticks until the next line
        .equ    PAGE_ADDRESS, 0x2010    # next page of the walk
        .equ    WRITE, 0x2014           # number of the next write to memory
        .equ    LAP_MASK, 0x2018        # 0 on the first lap of the walk, then ones
        .equ    DISK_ERRORS, 0x201c
        .equ    LAP, 0x2020             # generation that is being written to the disk
        .equ    LBA, 0x2024             # next sector, so also: sectors written in this lap
        .equ    FIRST_LAP, 0x2028       # the first lap after a boot: no sector is checked in it
        .equ    STACK, 0x3000
        .equ    EXPECTED, 0x4000        # a sector as it should be
        .equ    FOUND, 0x4200           # a sector as the disk has it
        .equ    FIRST_PAGE, 0x200000    # the working set starts at 2 MiB
        .equ    PAGE, 4096
        .equ    TICKS_PER_LINE, 10
        .equ    POLLS_PER_BYTE, 1024

        .equ    IDE, 0x1f0              # primary channel: data; +2 count, +3..5 LBA, +6 drive
        .equ    IDE_STATUS, 0x1f7       # and command
        .equ    BUSY, 0x80
        .equ    DATA_REQUEST, 0x08
        .equ    FAULT, 0x21             # ERR or DF
        .equ    READ_SECTORS, 0x20
        .equ    WRITE_SECTORS, 0x30

        .equ    RSDP_START, 0xe0000
        .equ    RSDP_END, 0x100000

        .text
        .code16
start:  cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $ORIGIN, %sp
        mov     $(0x200 + (image_end - start) / SECTOR - 1), %ax
        mov     $(ORIGIN + SECTOR), %bx
        mov     $2, %cx                 # cylinder 0, sector 2; %dl: the drive, from the BIOS
        xor     %dh, %dh
        int     $0x13                   # read the other sectors of this image behind this one
        jc      stuck
        xor     %bp, %bp                # 0: a boot, 1: a wake-up
        jmp     enter
stuck:  cli
        hlt
        jmp     stuck

# After an S3 sleep the BIOS comes here in real mode, memory as it was, devices as after a reset.
# %cs:%ip is the vector's segment and low 4 bits, hence the far jump.
waking: ljmp    $0, $(woken - start + ORIGIN)
woken:  cli
        cld
        mov     $1, %bp
enter:  xor     %ax, %ax
        mov     %ax, %ds
        in      $0x92, %al              # fast A20; bit 0 would reset the machine
        or      $2, %al
        and     $0xfe, %al
        out     %al, $0x92
        lgdtl   gdtr - start + ORIGIN
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmp    $8, $(flat - start + ORIGIN)

gdtr:   .word   23
        .long   gdt - 8 - start + ORIGIN # the null descriptor may be any 8 bytes
idtr:   .word   0x28 * 8 - 1
        .long   IDT
gdt:    .quad   0x00cf9a000000ffff      # 8: code, 4 GiB flat
        .quad   0x00cf92000000ffff      # 16: data, 4 GiB flat

        .org    480                     # the parameters
rate:   .long   0                       # bytes of memory to dirty per second
pages:  .long   0                       # pages of the working set
end:    .long   0                       # its end
after:  .long   0                       # the tick of the action; 0: never
port:   .word   0                       # the action is one write of `value` to `port`:
value:  .word   0                       # one byte if it fits, else two
sectors: .long  0                       # sectors of the data disk
steps:  .word   0                       # sectors to check and write per tick; 0: none
        .org    510
        .word   0xaa55

        .code32
flat:   mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        mov     $STACK, %esp

        mov     $(IDT + 0x20 * 8), %edi # IRQ 0..7 all lead to `tick`
        mov     $8, %ecx
gates:  mov     $(0x80000 + tick - start + ORIGIN), %eax
        stosl
        mov     $0x8e00, %eax           # present, ring 0, 32-bit interrupt gate
        stosl
        loop    gates
        lidtl   idtr - start + ORIGIN

        mov     $(ports - start + ORIGIN), %esi
        mov     $((ports_end - ports) / 3), %cl
setup:  lodsw
        mov     %eax, %edx
        lodsb
        outb    %al, %dx
        loop    setup

        test    %bp, %bp
        jz      boot
        mov     $(woke - start + ORIGIN), %esi
        call    puts
        jmp     wait

boot:   mov     $COUNTER, %edi
        xor     %eax, %eax
        stosl                           # COUNTER
        stosl                           # ERRORS
        stosl                           # ACCUMULATOR
        mov     $TICKS_PER_LINE, %al
        stosl                           # COUNTDOWN
        mov     $FIRST_PAGE, %eax
        stosl                           # PAGE_ADDRESS
        mov     $1, %eax
        stosl                           # WRITE
        dec     %eax
        stosl                           # LAP_MASK
        stosl                           # DISK_ERRORS
        stosl                           # LAP
        stosl                           # LBA
        inc     %eax
        stosl                           # FIRST_LAP

        mov     $(ready - start + ORIGIN), %esi
        call    puts

# Blanks what the BIOS, or a run before a reset, left in the working set. Blank pages are only read:
# the host need not give memory for them.
        mov     $FIRST_PAGE, %edi
        xor     %eax, %eax
blank:  cmp     end - start + ORIGIN, %edi
        jae     acpi
        cmp     %eax, (%edi)
        je      clean
        mov     %eax, (%edi)
clean:  add     $PAGE, %edi
        jmp     blank

# Writes our address into the firmware waking vector: RSDP, RSDT, FADT, FACS. Without ACPI tables a
# wake-up is a boot.
acpi:   mov     $RSDP_START, %esi
rsdp:   cmpl    $0x20445352, (%esi)     # "RSD "
        jne     rsdp2
        cmpl    $0x20525450, 4(%esi)    # "PTR "
        je      rsdt
rsdp2:  add     $16, %esi
        cmp     $RSDP_END, %esi
        jb      rsdp
        jmp     disk0
rsdt:   mov     16(%esi), %esi
        mov     4(%esi), %ecx           # length in bytes: a header of 36, then addresses
        sub     $36, %ecx
        shr     $2, %ecx
        add     $36, %esi
table:  lodsl
        cmpl    $0x50434146, (%eax)     # "FACP", the FADT
        je      fadt
        loop    table
        jmp     disk0
fadt:   mov     36(%eax), %eax          # the FACS
        movl    $(waking - start + ORIGIN), 12(%eax)

# A disk that was written before goes on with the next generation.
disk0:  cmpw    $0, steps - start + ORIGIN
        je      wait
        call    read
        jnz     fresh
        mov     FOUND + 4, %eax
        mov     %eax, LAP
        call    matches
        je      known
fresh:  movl    $0, LAP
known:  incl    LAP

wait:   sti                             # takes effect after hlt has begun: no tick slips in between
        hlt

# IRQ 0. There is nothing to go back to, so the frame is dropped. No `iret`: KVM cannot emulate it.
tick:   mov     $STACK, %esp
        mov     $0x20, %al              # end of interrupt
        out     %al, $0x20
        incl    COUNTER
        mov     ACCUMULATOR, %eax
        add     rate - start + ORIGIN, %eax
        xor     %edx, %edx
        mov     $(PAGE * 100), %ecx
        div     %ecx
        mov     %edx, ACCUMULATOR
        mov     %eax, %ecx              # pages to write in this tick
        jecxz   disk
        mov     PAGE_ADDRESS, %edi
        mov     WRITE, %ebx

# Each write has its own number, so the page must hold the number of the write one lap before,
# and 0 on the first lap.
write:  mov     %ebx, %eax
        sub     pages - start + ORIGIN, %eax
        and     LAP_MASK, %eax
        cmp     %eax, (%edi)
        je      intact
        incl    ERRORS
intact: mov     %ebx, (%edi)
        inc     %ebx
        add     $PAGE, %edi
        cmp     end - start + ORIGIN, %edi
        jb      next
        mov     $FIRST_PAGE, %edi
        orl     $-1, LAP_MASK
next:   loop    write
        mov     %edi, PAGE_ADDRESS
        mov     %ebx, WRITE

disk:   movzwl  steps - start + ORIGIN, %ecx
        jecxz   line
step:   push    %ecx
        call    renew
        pop     %ecx
        loop    step

line:   decl    COUNTDOWN
        jnz     act
        movl    $TICKS_PER_LINE, COUNTDOWN
        mov     $(counter_is - start + ORIGIN), %esi
        cmpw    $0, steps - start + ORIGIN
        je      plain
        mov     $(lap_is - start + ORIGIN), %esi
        mov     LAP, %eax
        call    field
        mov     LBA, %eax               # %esi is at writes_is now
        call    field
        mov     DISK_ERRORS, %eax       # at disk_errors_is
        call    field                   # and then at the space before counter_is
plain:  mov     COUNTER, %eax
        call    field
        mov     ERRORS, %eax            # at errors_is
        call    field
        call    puts                    # and at newline here

act:    mov     COUNTER, %eax
        cmp     after - start + ORIGIN, %eax
        jne     wait
        mov     $(acts - start + ORIGIN), %esi
        call    puts
        mov     port - start + ORIGIN, %dx
        mov     value - start + ORIGIN, %ax
        test    %ah, %ah
        jnz     acted
        out     %al, %dx
        jmp     wait
# Two bytes go to the ACPI control register. Nothing but a reset or a wake-up follows, and QEMU may
# let us run for a moment: interrupts are off, so that no tick is half done when it takes effect.
acted:  out     %ax, %dx
halt:   hlt
        jmp     halt

# Checks the next sector of the disk and writes it with the generation of this lap.
renew:  cmpl    $0, FIRST_LAP
        jne     put
        call    read
        jnz     wrong
        mov     LAP, %eax
        dec     %eax
        call    matches
        je      put
wrong:  call    disk_error
put:    mov     LAP, %eax
        call    expect
        mov     $WRITE_SECTORS, %al
        call    command
        jnz     lost
        mov     $EXPECTED, %esi
        mov     $IDE, %edx
        mov     $(SECTOR / 2), %ecx
        rep     outsw
# The disk counts a sector when it is written. "Not busy" is no proof: when an I/O error stops the
# guest, QEMU clears BUSY first, and the guest runs on for a moment before it stands still.
written: call   settle
        test    $FAULT, %al
        jnz     lost
        mov     $(IDE + 2), %edx
        in      %dx, %al
        test    %al, %al
        jnz     written
        jmp     kept
lost:   call    disk_error
kept:   mov     LBA, %eax
        inc     %eax
        cmp     sectors - start + ORIGIN, %eax
        jb      ahead
        xor     %eax, %eax
        mov     %eax, FIRST_LAP
        incl    LAP
ahead:  mov     %eax, LBA
        ret

disk_error:
        incl    ERRORS
        incl    DISK_ERRORS
        ret

# Reads sector LBA to FOUND. ZF is set if that went well.
read:   mov     $READ_SECTORS, %al
        call    command
        jnz     read2
        mov     $FOUND, %edi
        mov     $IDE, %edx
        mov     $(SECTOR / 2), %ecx
        rep     insw
        cmp     %eax, %eax
read2:  ret

# Gives the disk command %al for sector LBA; waits until it takes or has the data. ZF: no error.
command:
        mov     %al, %ah
        call    settle
        mov     $(IDE + 2), %edx
        mov     $1, %al
        out     %al, %dx
        mov     LBA, %ecx
        mov     $3, %bl
address: inc    %edx
        mov     %cl, %al
        out     %al, %dx
        shr     $8, %ecx
        dec     %bl
        jnz     address
        inc     %edx
        mov     %cl, %al
        or      $0xe0, %al              # LBA, first drive
        out     %al, %dx
        inc     %edx
        mov     %ah, %al
        out     %al, %dx
command2: call  settle
        test    $(FAULT | DATA_REQUEST), %al
        jz      command2                # for the same reason as at `written`
        test    $FAULT, %al
        ret

# Waits until the disk is not busy. No bound: QEMU answers each request, or stops us. %al: status.
settle: mov     $IDE_STATUS, %edx
settle2: in     %dx, %al
        test    $BUSY, %al
        jnz     settle2
        ret

# Compares FOUND with sector LBA of generation %eax. ZF: equal.
matches:
        call    expect
        mov     $EXPECTED, %esi
        mov     $FOUND, %edi
        mov     $(SECTOR / 4), %ecx
        repe    cmpsl
        ret

# Makes sector LBA of generation %eax at EXPECTED: number, generation, 125 double words of a linear
# congruential generator that starts from both, and the sum of them all.
expect: mov     $EXPECTED, %edi
        mov     LBA, %edx
        mov     %edx, (%edi)
        mov     %eax, 4(%edi)
        lea     (%eax, %edx), %ebx
        imul    $0x9e3779b1, %edx, %edx
        xor     %edx, %eax
        add     $8, %edi
        mov     $(SECTOR / 4 - 3), %ecx
filler: imul    $1664525, %eax, %eax
        add     $1013904223, %eax
        stosl
        add     %eax, %ebx
        loop    filler
        mov     %ebx, (%edi)
        ret

# Prints the text at %esi, then %eax in decimal. Leaves %esi after the text.
field:  push    %eax
        call    puts
        pop     %eax
        xor     %ecx, %ecx
        mov     $10, %ebx
digit:  xor     %edx, %edx
        div     %ebx
        push    %edx
        inc     %ecx
        test    %eax, %eax
        jnz     digit
emit:   pop     %eax
        add     $'0', %al
        call    putc
        loop    emit
        ret

        .include "serial-output.s"

ready:  .asciz  "switchyard guest ready\r\n"
woke:   .asciz  "switchyard guest woke\r\n"
acts:   .asciz  "switchyard guest acts\r\n"
lap_is: .asciz  "lap="
writes_is: .asciz " writes="
disk_errors_is: .asciz " disk-errors="
        .ascii  " "
counter_is: .asciz "counter="
errors_is: .asciz " errors="
newline: .asciz "\r\n"

        .balign SECTOR, 0
image_end:
