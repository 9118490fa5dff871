/** A listing of what serial-output.s assembles to in each of the guests that include it. */
export const SERIAL_OUTPUT = `
ac                      ; puts:       lodsb
84 c0                   ;             test %al, %al
74 1f                   ;             jz done
e8 02 00 00 00          ;             call putc
eb f4                   ;             jmp puts

51                      ; putc:       push %ecx
88 c4                   ;             mov %al, %ah
ba fd 03 00 00          ;             mov $0x3fd, %edx
b9 00 04 00 00          ;             mov $POLLS_PER_BYTE, %ecx
ec                      ; poll:       inb %dx, %al
a8 20                   ;             test $0x20, %al
e1 fb                   ;             loopz poll
b2 f8                   ;             mov $0xf8, %dl
88 e0                   ;             mov %ah, %al
ee                      ;             outb %al, %dx
59                      ;             pop %ecx
c3                      ; done:       ret

20 00 11                ; ports:      port 0x20, 0x11
21 00 20                ;             port 0x21, 0x20
21 00 04                ;             port 0x21, 0x04
21 00 01                ;             port 0x21, 0x01
21 00 fe                ;             port 0x21, 0xfe
43 00 34                ;             port 0x43, 0x34
40 00 9c                ;             port 0x40, 0x9c
40 00 2e                ;             port 0x40, 0x2e
fb 03 80                ;             port 0x3fb, 0x80
f8 03 01                ;             port 0x3f8, 0x01
f9 03 00                ;             port 0x3f9, 0x00
fb 03 03                ;             port 0x3fb, 0x03
`;
