# Reference source of boot-sector.ts: a guest that counts, dirties memory and checks it.
#   as --32 --defsym RATE=<bytes per second> --defsym PAGES=<pages> -o boot-sector.o boot-sector.s
#   objcopy -O binary -j .text boot-sector.o boot-sector.bin
# boot-sector.test.ts assembles this file and compares the result with boot-sector.ts, byte by byte.

        .equ    ORIGIN, 0x7c00          # where the BIOS loads and enters us
        .equ    IDT, 0x1000             # only vectors 0x20..0x27 are filled
        .equ    COUNTER, 0x2000         # variables and stack share one page, away from the code:
        .equ    ERRORS, 0x2004          # a store into a page that holds code makes TCG retranslate
        .equ    ACCUMULATOR, 0x2008     # bytes owed to the dirty rate, times 100
        .equ    COUNTDOWN, 0x200c       # ticks until the next line
        .equ    STACK, 0x3000
        .equ    FIRST_PAGE, 0x200000    # the working set starts at 2 MiB
        .equ    PAGE, 4096
        .equ    TICKS_PER_LINE, 10
        .equ    POLLS_PER_BYTE, 1024

        .text
        .code16
start:  cli
        cld
        xor     %ax, %ax
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

        mov     $COUNTER, %edi
        xor     %eax, %eax
        stosl                           # COUNTER
        stosl                           # ERRORS
        stosl                           # ACCUMULATOR
        mov     $TICKS_PER_LINE, %al
        stosl                           # COUNTDOWN

        mov     $(ready - start + ORIGIN), %esi
        call    puts

# Blanks what the BIOS, or a run before a reset, left in the working set. Blank pages are only read:
# the host need not give memory for them.
        mov     $FIRST_PAGE, %edi
        xor     %eax, %eax
blank:  cmp     %eax, (%edi)
        je      clean
        mov     %eax, (%edi)
clean:  add     $PAGE, %edi
        cmp     end - start + ORIGIN, %edi
        jb      blank

# %edi: next page of the walk. %ebx: number of the next write. %ebp: 0 on the first lap, then ones.
        mov     $FIRST_PAGE, %edi
        mov     $1, %ebx
        xor     %ebp, %ebp

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
        jecxz   line

# Each write has its own number, so the page must hold the number of the write one lap before,
# and 0 on the first lap.
write:  mov     %ebx, %eax
        sub     pages - start + ORIGIN, %eax
        and     %ebp, %eax
        cmp     %eax, (%edi)
        je      intact
        incl    ERRORS
intact: mov     %ebx, (%edi)
        inc     %ebx
        add     $PAGE, %edi
        cmp     end - start + ORIGIN, %edi
        jb      next
        mov     $FIRST_PAGE, %edi
        or      $-1, %ebp
next:   loop    write

line:   decl    COUNTDOWN
        jnz     wait
        movl    $TICKS_PER_LINE, COUNTDOWN
        mov     $(counter_is - start + ORIGIN), %esi
        mov     COUNTER, %eax
        call    field
        mov     ERRORS, %eax            # %esi is at errors_is now
        call    field
        call    puts                    # and at newline here
        jmp     wait

# Prints the text at %esi, then %eax in decimal. Leaves %esi after the text. Keeps %ebx.
field:  push    %eax
        call    puts
        pop     %eax
        push    %ebx
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
        pop     %ebx
        ret

        .include "serial-output.s"

ready:  .asciz  "switchyard guest ready\r\n"
counter_is: .asciz "counter="
errors_is: .asciz " errors="
newline: .asciz "\r\n"

gdtr:   .word   23
        .long   gdt - 8 - start + ORIGIN # the null descriptor may be any 8 bytes
idtr:   .word   0x28 * 8 - 1
        .long   IDT
gdt:    .quad   0x00cf9a000000ffff      # 8: code, 4 GiB flat
        .quad   0x00cf92000000ffff      # 16: data, 4 GiB flat

        .org    498
rate:   .long   RATE
pages:  .long   PAGES
end:    .long   FIRST_PAGE + PAGES * PAGE
        .word   0xaa55
