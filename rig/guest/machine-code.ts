import { SERIAL_OUTPUT } from "./serial-output.ts";

/**
 * The guest's machine code as a listing: bytes in hexadecimal, then the instruction they encode. It
 * is what `boot-sector.s` assembles to, without the parameters and the signature at the end of the
 * sector; the comments are there. A test assembles that file and compares, so the two cannot drift.
 */
export function machineCode(): Uint8Array {
  return listedBytes(LISTING);
}

/** The bytes of a listing: each line is hexadecimal up to its semicolon. */
export function listedBytes(listing: string): Uint8Array {
  const hex = listing.split("\n").map((line) => line.split(";", 1)[0] ?? "");
  return Buffer.from(hex.join("").replaceAll(" ", ""), "hex");
}

const LISTING = String.raw`
fa                      ; start:      cli
fc                      ;             cld
31 c0                   ;             xor %ax, %ax
8e d8                   ;             mov %ax, %ds
e4 92                   ;             in $0x92, %al
0c 02                   ;             or $2, %al
24 fe                   ;             and $0xfe, %al
e6 92                   ;             out %al, $0x92
66 0f 01 16 d0 7d       ;             lgdtl gdtr - start + ORIGIN
0f 20 c0                ;             mov %cr0, %eax
0c 01                   ;             or $1, %al
0f 22 c0                ;             mov %eax, %cr0
ea 21 7c 08 00          ;             ljmp $8, $(flat - start + ORIGIN)

                        ; .code32
b8 10 00 00 00          ; flat:       mov $16, %eax
8e d8                   ;             mov %eax, %ds
8e c0                   ;             mov %eax, %es
8e e0                   ;             mov %eax, %fs
8e e8                   ;             mov %eax, %gs
8e d0                   ;             mov %eax, %ss
bc 00 30 00 00          ;             mov $STACK, %esp

bf 00 11 00 00          ;             mov $(IDT + 0x20 * 8), %edi
b9 08 00 00 00          ;             mov $8, %ecx
b8 a3 7c 08 00          ; gates:      mov $(0x80000 + tick - start + ORIGIN), %eax
ab                      ;             stosl
b8 00 8e 00 00          ;             mov $0x8e00, %eax
ab                      ;             stosl
e2 f2                   ;             loop gates
0f 01 1d d6 7d 00 00    ;             lidtl idtr - start + ORIGIN

be 7e 7d 00 00          ;             mov $(ports - start + ORIGIN), %esi
b1 0c                   ;             mov $((ports_end - ports) / 3), %cl
66 ad                   ; setup:      lodsw
89 c2                   ;             mov %eax, %edx
ac                      ;             lodsb
ee                      ;             outb %al, %dx
e2 f8                   ;             loop setup

bf 00 20 00 00          ;             mov $COUNTER, %edi
31 c0                   ;             xor %eax, %eax
ab                      ;             stosl
ab                      ;             stosl
ab                      ;             stosl
b0 0a                   ;             mov $TICKS_PER_LINE, %al
ab                      ;             stosl

be a2 7d 00 00          ;             mov $(ready - start + ORIGIN), %esi
e8 df 00 00 00          ;             call puts

bf 00 00 20 00          ;             mov $FIRST_PAGE, %edi
31 c0                   ;             xor %eax, %eax
39 07                   ; blank:      cmp %eax, (%edi)
74 02                   ;             je clean
89 07                   ;             mov %eax, (%edi)
81 c7 00 10 00 00       ; clean:      add $PAGE, %edi
3b 3d fa 7d 00 00       ;             cmp end - start + ORIGIN, %edi
72 ec                   ;             jb blank

bf 00 00 20 00          ;             mov $FIRST_PAGE, %edi
bb 01 00 00 00          ;             mov $1, %ebx
31 ed                   ;             xor %ebp, %ebp

fb                      ; wait:       sti
f4                      ;             hlt

bc 00 30 00 00          ; tick:       mov $STACK, %esp
b0 20                   ;             mov $0x20, %al
e6 20                   ;             out %al, $0x20
ff 05 00 20 00 00       ;             incl COUNTER
a1 08 20 00 00          ;             mov ACCUMULATOR, %eax
03 05 f2 7d 00 00       ;             add rate - start + ORIGIN, %eax
31 d2                   ;             xor %edx, %edx
b9 00 40 06 00          ;             mov $(PAGE * 100), %ecx
f7 f1                   ;             div %ecx
89 15 08 20 00 00       ;             mov %edx, ACCUMULATOR
89 c1                   ;             mov %eax, %ecx
e3 2f                   ;             jecxz line

89 d8                   ; write:      mov %ebx, %eax
2b 05 f6 7d 00 00       ;             sub pages - start + ORIGIN, %eax
21 e8                   ;             and %ebp, %eax
39 07                   ;             cmp %eax, (%edi)
74 06                   ;             je intact
ff 05 04 20 00 00       ;             incl ERRORS
89 1f                   ; intact:     mov %ebx, (%edi)
43                      ;             inc %ebx
81 c7 00 10 00 00       ;             add $PAGE, %edi
3b 3d fa 7d 00 00       ;             cmp end - start + ORIGIN, %edi
72 08                   ;             jb next
bf 00 00 20 00          ;             mov $FIRST_PAGE, %edi
83 cd ff                ;             or $-1, %ebp
e2 d1                   ; next:       loop write

ff 0d 0c 20 00 00       ; line:       decl COUNTDOWN
75 9a                   ;             jnz wait
c7 05 0c 20 00 00 0a 00 ;             movl $TICKS_PER_LINE, COUNTDOWN
00 00
be bb 7d 00 00          ;             mov $(counter_is - start + ORIGIN), %esi
a1 00 20 00 00          ;             mov COUNTER, %eax
e8 14 00 00 00          ;             call field
a1 04 20 00 00          ;             mov ERRORS, %eax
e8 0a 00 00 00          ;             call field
e8 2a 00 00 00          ;             call puts
e9 6d ff ff ff          ;             jmp wait

50                      ; field:      push %eax
e8 1f 00 00 00          ;             call puts
58                      ;             pop %eax
53                      ;             push %ebx
31 c9                   ;             xor %ecx, %ecx
bb 0a 00 00 00          ;             mov $10, %ebx
31 d2                   ; digit:      xor %edx, %edx
f7 f3                   ;             div %ebx
52                      ;             push %edx
41                      ;             inc %ecx
85 c0                   ;             test %eax, %eax
75 f6                   ;             jnz digit
58                      ; emit:       pop %eax
04 30                   ;             add $'0', %al
e8 10 00 00 00          ;             call putc
e2 f6                   ;             loop emit
5b                      ;             pop %ebx
c3                      ;             ret

${SERIAL_OUTPUT}

73 77 69 74 63 68 79 61 ; ready:      .asciz  "switchyard guest ready\r\n"
72 64 20 67 75 65 73 74
20 72 65 61 64 79 0d 0a
00
63 6f 75 6e 74 65 72 3d ; counter_is: .asciz "counter="
00
20 65 72 72 6f 72 73 3d ; errors_is:  .asciz " errors="
00
0d 0a 00                ; newline:    .asciz "\r\n"

17 00                   ; gdtr:       .word 23
d4 7d 00 00             ;             .long gdt - 8 - start + ORIGIN
3f 01                   ; idtr:       .word 0x28 * 8 - 1
00 10 00 00             ;             .long IDT
ff ff 00 00 00 9a cf 00 ; gdt:        .quad 0x00cf9a000000ffff
ff ff 00 00 00 92 cf 00 ;             .quad 0x00cf92000000ffff
`;
