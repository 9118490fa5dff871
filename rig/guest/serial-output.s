# Text on COM1, and the values for I/O ports that set up interrupts, timer and COM1: included by
# boot-sector.s and acting-guest.s. Needs POLLS_PER_BYTE.

# Prints the zero-ended text at %esi, leaves %esi after its end. Changes %eax and %edx.
puts:   lodsb
        test    %al, %al
        jz      done
        call    putc
        jmp     puts

# Prints %al on COM1. Waits for the transmitter, but not for ever: a serial line that nobody reads
# must not stop the guest.
putc:   push    %ecx
        mov     %al, %ah
        mov     $0x3fd, %edx            # line status
        mov     $POLLS_PER_BYTE, %ecx
poll:   inb     %dx, %al
        test    $0x20, %al              # transmit holding register empty
        loopz   poll
        mov     $0xf8, %dl              # transmit holding register
        mov     %ah, %al
        outb    %al, %dx
        pop     %ecx
done:   ret

        .macro  port number, value
        .word   \number
        .byte   \value
        .endm
ports:  port    0x20, 0x11              # first PIC: initialise
        port    0x21, 0x20              # vectors from 0x20
        port    0x21, 0x04              # cascade on IRQ 2
        port    0x21, 0x01              # 8086 mode
        port    0x21, 0xfe              # IRQ 0 alone, so the second PIC has no way through
        port    0x43, 0x34              # PIT channel 0, mode 2: 1193182 Hz / 11932 = 100 Hz
        port    0x40, 0x9c
        port    0x40, 0x2e
        port    0x3fb, 0x80             # COM1, divisor 1: 115200 baud
        port    0x3f8, 0x01
        port    0x3f9, 0x00
        port    0x3fb, 0x03             # 8 bits, no parity, 1 stop bit
ports_end:
