import { PROGRAM } from "./acting-guest-program.ts";
import { listedBytes } from "./machine-code.ts";

/**
 * The machine code of the acting guest, which acting-guest.s explains; a test compares the two. The
 * parameters and the boot signature lie between loader and program, in the first sector.
 */
export function actingGuestCode(): { loader: Uint8Array; program: Uint8Array } {
  return { loader: listedBytes(LOADER), program: listedBytes(PROGRAM) };
}

const LOADER = `
fa                      ; start:      cli
fc                      ;             cld
31 c0                   ;             xor %ax, %ax
8e d8                   ;             mov %ax, %ds
8e c0                   ;             mov %ax, %es
8e d0                   ;             mov %ax, %ss
bc 00 7c                ;             mov $ORIGIN, %sp
b8 03 02                ;             mov $(0x200 + (image_end - start) / SECTOR - 1), %ax
bb 00 7e                ;             mov $(ORIGIN + SECTOR), %bx
b9 02 00                ;             mov $2, %cx
30 f6                   ;             xor %dh, %dh
cd 13                   ;             int $0x13
72 04                   ;             jc stuck
31 ed                   ;             xor %bp, %bp
eb 0e                   ;             jmp enter
fa                      ; stuck:      cli
f4                      ;             hlt
eb fc                   ;             jmp stuck

ea 29 7c 00 00          ; waking:     ljmp $0, $(woken - start + ORIGIN)
fa                      ; woken:      cli
fc                      ;             cld
bd 01 00                ;             mov $1, %bp
31 c0                   ; enter:      xor %ax, %ax
8e d8                   ;             mov %ax, %ds
e4 92                   ;             in $0x92, %al
0c 02                   ;             or $2, %al
24 fe                   ;             and $0xfe, %al
e6 92                   ;             out %al, $0x92
66 0f 01 16 4d 7c       ;             lgdtl gdtr - start + ORIGIN
0f 20 c0                ;             mov %cr0, %eax
0c 01                   ;             or $1, %al
0f 22 c0                ;             mov %eax, %cr0
ea 00 7e 08 00          ;             ljmp $8, $(flat - start + ORIGIN)

17 00                   ; gdtr:       .word 23
51 7c 00 00             ;             .long gdt - 8 - start + ORIGIN
3f 01                   ; idtr:       .word 0x28 * 8 - 1
00 10 00 00             ;             .long IDT
ff ff 00 00 00 9a cf 00 ; gdt:        .quad 0x00cf9a000000ffff
ff ff 00 00 00 92 cf 00 ;             .quad 0x00cf92000000ffff
`;
