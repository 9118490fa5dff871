import { SERIAL_OUTPUT } from "./serial-output.ts";

/** A listing of what the loader of acting-guest-code.ts loads: see `listedBytes`. */
export const PROGRAM = String.raw`
b8 10 00 00 00          ; flat:       mov $16, %eax
8e d8                   ;             mov %eax, %ds
8e c0                   ;             mov %eax, %es
8e e0                   ;             mov %eax, %fs
8e e8                   ;             mov %eax, %gs
8e d0                   ;             mov %eax, %ss
bc 00 30 00 00          ;             mov $STACK, %esp
bf 00 11 00 00          ;             mov $(IDT + 0x20 * 8), %edi
b9 08 00 00 00          ;             mov $8, %ecx
b8 1a 7f 08 00          ; gates:      mov $(0x80000 + tick - start + ORIGIN), %eax
ab                      ;             stosl
b8 00 8e 00 00          ;             mov $0x8e00, %eax
ab                      ;             stosl
e2 f2                   ;             loop gates
0f 01 1d 53 7c 00 00    ;             lidtl idtr - start + ORIGIN
be c1 81 00 00          ;             mov $(ports - start + ORIGIN), %esi
b1 0c                   ;             mov $((ports_end - ports) / 3), %cl
66 ad                   ; setup:      lodsw
89 c2                   ;             mov %eax, %edx
ac                      ;             lodsb
ee                      ;             outb %al, %dx
e2 f8                   ;             loop setup
66 85 ed                ;             test %bp, %bp
74 0f                   ;             jz boot
be fe 81 00 00          ;             mov $(woke - start + ORIGIN), %esi
e8 4b 03 00 00          ;             call puts
e9 c2 00 00 00          ;             jmp wait

bf 00 20 00 00          ; boot:       mov $COUNTER, %edi
31 c0                   ;             xor %eax, %eax
ab                      ;             stosl
ab                      ;             stosl
ab                      ;             stosl
b0 0a                   ;             mov $TICKS_PER_LINE, %al
ab                      ;             stosl
b8 00 00 20 00          ;             mov $FIRST_PAGE, %eax
ab                      ;             stosl
b8 01 00 00 00          ;             mov $1, %eax
ab                      ;             stosl
48                      ;             dec %eax
ab                      ;             stosl
ab                      ;             stosl
ab                      ;             stosl
ab                      ;             stosl
40                      ;             inc %eax
ab                      ;             stosl
be e5 81 00 00          ;             mov $(ready - start + ORIGIN), %esi
e8 1c 03 00 00          ;             call puts
bf 00 00 20 00          ;             mov $FIRST_PAGE, %edi
31 c0                   ;             xor %eax, %eax
3b 3d e8 7d 00 00       ; blank:      cmp end - start + ORIGIN, %edi
73 0e                   ;             jae acpi
39 07                   ;             cmp %eax, (%edi)
74 02                   ;             je clean
89 07                   ;             mov %eax, (%edi)
81 c7 00 10 00 00       ; clean:      add $PAGE, %edi
eb ea                   ;             jmp blank

be 00 00 0e 00          ; acpi:       mov $RSDP_START, %esi
81 3e 52 53 44 20       ; rsdp:       cmpl $0x20445352, (%esi)
75 09                   ;             jne rsdp2
81 7e 04 50 54 52 20    ;             cmpl $0x20525450, 4(%esi)
74 0d                   ;             je rsdt
83 c6 10                ; rsdp2:      add $16, %esi
81 fe 00 00 10 00       ;             cmp $RSDP_END, %esi
72 e4                   ;             jb rsdp
eb 26                   ;             jmp disk0
8b 76 10                ; rsdt:       mov 16(%esi), %esi
8b 4e 04                ;             mov 4(%esi), %ecx
83 e9 24                ;             sub $36, %ecx
c1 e9 02                ;             shr $2, %ecx
83 c6 24                ;             add $36, %esi
ad                      ; table:      lodsl
81 38 46 41 43 50       ;             cmpl $0x50434146, (%eax)
74 04                   ;             je fadt
e2 f5                   ;             loop table
eb 0a                   ;             jmp disk0
8b 40 24                ; fadt:       mov 36(%eax), %eax
c7 40 0c 24 7c 00 00    ;             movl $(waking - start + ORIGIN), 12(%eax)

66 83 3d f8 7d 00 00 00 ; disk0:      cmpw $0, steps - start + ORIGIN
74 28                   ;             je wait
e8 d6 01 00 00          ;             call read
75 11                   ;             jnz fresh
a1 04 42 00 00          ;             mov FOUND + 4, %eax
a3 20 20 00 00          ;             mov %eax, LAP
e8 26 02 00 00          ;             call matches
74 0a                   ;             je known
c7 05 20 20 00 00 00 00 ; fresh:      movl $0, LAP
00 00
ff 05 20 20 00 00       ; known:      incl LAP

fb                      ; wait:       sti
f4                      ;             hlt

bc 00 30 00 00          ; tick:       mov $STACK, %esp
b0 20                   ;             mov $0x20, %al
e6 20                   ;             out %al, $0x20
ff 05 00 20 00 00       ;             incl COUNTER
a1 08 20 00 00          ;             mov ACCUMULATOR, %eax
03 05 e0 7d 00 00       ;             add rate - start + ORIGIN, %eax
31 d2                   ;             xor %edx, %edx
b9 00 40 06 00          ;             mov $(PAGE * 100), %ecx
f7 f1                   ;             div %ecx
89 15 08 20 00 00       ;             mov %edx, ACCUMULATOR
89 c1                   ;             mov %eax, %ecx
e3 4f                   ;             jecxz disk
8b 3d 10 20 00 00       ;             mov PAGE_ADDRESS, %edi
8b 1d 14 20 00 00       ;             mov WRITE, %ebx

89 d8                   ; write:      mov %ebx, %eax
2b 05 e4 7d 00 00       ;             sub pages - start + ORIGIN, %eax
23 05 18 20 00 00       ;             and LAP_MASK, %eax
39 07                   ;             cmp %eax, (%edi)
74 06                   ;             je intact
ff 05 04 20 00 00       ;             incl ERRORS
89 1f                   ; intact:     mov %ebx, (%edi)
43                      ;             inc %ebx
81 c7 00 10 00 00       ;             add $PAGE, %edi
3b 3d e8 7d 00 00       ;             cmp end - start + ORIGIN, %edi
72 0c                   ;             jb next
bf 00 00 20 00          ;             mov $FIRST_PAGE, %edi
83 0d 18 20 00 00 ff    ;             orl $-1, LAP_MASK
e2 c9                   ; next:       loop write
89 3d 10 20 00 00       ;             mov %edi, PAGE_ADDRESS
89 1d 14 20 00 00       ;             mov %ebx, WRITE

0f b7 0d f8 7d 00 00    ; disk:       movzwl steps - start + ORIGIN, %ecx
e3 09                   ;             jecxz line
51                      ; step:       push %ecx
e8 97 00 00 00          ;             call renew
59                      ;             pop %ecx
e2 f7                   ;             loop step

ff 0d 0c 20 00 00       ; line:       decl COUNTDOWN
75 55                   ;             jnz act
c7 05 0c 20 00 00 0a 00 ;             movl $TICKS_PER_LINE, COUNTDOWN
00 00
be 4b 82 00 00          ;             mov $(counter_is - start + ORIGIN), %esi
66 83 3d f8 7d 00 00 00 ;             cmpw $0, steps - start + ORIGIN
74 23                   ;             je plain
be 2e 82 00 00          ;             mov $(lap_is - start + ORIGIN), %esi
a1 20 20 00 00          ;             mov LAP, %eax
e8 a1 01 00 00          ;             call field
a1 24 20 00 00          ;             mov LBA, %eax
e8 97 01 00 00          ;             call field
a1 1c 20 00 00          ;             mov DISK_ERRORS, %eax
e8 8d 01 00 00          ;             call field
a1 00 20 00 00          ; plain:      mov COUNTER, %eax
e8 83 01 00 00          ;             call field
a1 04 20 00 00          ;             mov ERRORS, %eax
e8 79 01 00 00          ;             call field
e8 97 01 00 00          ;             call puts

a1 00 20 00 00          ; act:        mov COUNTER, %eax
3b 05 ec 7d 00 00       ;             cmp after - start + ORIGIN, %eax
0f 85 02 ff ff ff       ;             jne wait
be 16 82 00 00          ;             mov $(acts - start + ORIGIN), %esi
e8 7c 01 00 00          ;             call puts
66 8b 15 f0 7d 00 00    ;             mov port - start + ORIGIN, %dx
66 a1 f2 7d 00 00       ;             mov value - start + ORIGIN, %ax
84 e4                   ;             test %ah, %ah
75 06                   ;             jnz acted
ee                      ;             out %al, %dx
e9 e1 fe ff ff          ;             jmp wait

66 ef                   ; acted:      out %ax, %dx
f4                      ; halt:       hlt
eb fd                   ;             jmp halt

83 3d 28 20 00 00 00    ; renew:      cmpl $0, FIRST_LAP
75 19                   ;             jne put
e8 81 00 00 00          ;             call read
75 0d                   ;             jnz wrong
a1 20 20 00 00          ;             mov LAP, %eax
48                      ;             dec %eax
e8 d5 00 00 00          ;             call matches
74 05                   ;             je put
e8 60 00 00 00          ; wrong:      call disk_error
a1 20 20 00 00          ; put:        mov LAP, %eax
e8 db 00 00 00          ;             call expect
b0 30                   ;             mov $WRITE_SECTORS, %al
e8 7a 00 00 00          ;             call command
75 27                   ;             jnz lost
be 00 40 00 00          ;             mov $EXPECTED, %esi
ba f0 01 00 00          ;             mov $IDE, %edx
b9 00 01 00 00          ;             mov $(SECTOR / 2), %ecx
66 f3 6f                ;             rep outsw

e8 99 00 00 00          ; written:    call settle
a8 21                   ;             test $FAULT, %al
75 0c                   ;             jnz lost
ba f2 01 00 00          ;             mov $(IDE + 2), %edx
ec                      ;             in %dx, %al
84 c0                   ;             test %al, %al
75 ed                   ;             jnz written
eb 05                   ;             jmp kept
e8 21 00 00 00          ; lost:       call disk_error
a1 24 20 00 00          ; kept:       mov LBA, %eax
40                      ;             inc %eax
3b 05 f4 7d 00 00       ;             cmp sectors - start + ORIGIN, %eax
72 0d                   ;             jb ahead
31 c0                   ;             xor %eax, %eax
a3 28 20 00 00          ;             mov %eax, FIRST_LAP
ff 05 20 20 00 00       ;             incl LAP
a3 24 20 00 00          ; ahead:      mov %eax, LBA
c3                      ;             ret

                        ; disk_error:
ff 05 04 20 00 00       ;             incl ERRORS
ff 05 1c 20 00 00       ;             incl DISK_ERRORS
c3                      ;             ret

b0 20                   ; read:       mov $READ_SECTORS, %al
e8 17 00 00 00          ;             call command
75 14                   ;             jnz read2
bf 00 42 00 00          ;             mov $FOUND, %edi
ba f0 01 00 00          ;             mov $IDE, %edx
b9 00 01 00 00          ;             mov $(SECTOR / 2), %ecx
66 f3 6d                ;             rep insw
39 c0                   ;             cmp %eax, %eax
c3                      ; read2:      ret

                        ; command:
88 c4                   ;             mov %al, %ah
e8 31 00 00 00          ;             call settle
ba f2 01 00 00          ;             mov $(IDE + 2), %edx
b0 01                   ;             mov $1, %al
ee                      ;             out %al, %dx
8b 0d 24 20 00 00       ;             mov LBA, %ecx
b3 03                   ;             mov $3, %bl
42                      ; address:    inc %edx
88 c8                   ;             mov %cl, %al
ee                      ;             out %al, %dx
c1 e9 08                ;             shr $8, %ecx
fe cb                   ;             dec %bl
75 f5                   ;             jnz address
42                      ;             inc %edx
88 c8                   ;             mov %cl, %al
0c e0                   ;             or $0xe0, %al
ee                      ;             out %al, %dx
42                      ;             inc %edx
88 e0                   ;             mov %ah, %al
ee                      ;             out %al, %dx
e8 07 00 00 00          ; command2:   call settle
a8 29                   ;             test $(FAULT | DATA_REQUEST), %al
74 f7                   ;             jz command2
a8 21                   ;             test $FAULT, %al
c3                      ;             ret

ba f7 01 00 00          ; settle:     mov $IDE_STATUS, %edx
ec                      ; settle2:    in %dx, %al
a8 80                   ;             test $BUSY, %al
75 fb                   ;             jnz settle2
c3                      ;             ret

                        ; matches:
e8 12 00 00 00          ;             call expect
be 00 40 00 00          ;             mov $EXPECTED, %esi
bf 00 42 00 00          ;             mov $FOUND, %edi
b9 80 00 00 00          ;             mov $(SECTOR / 4), %ecx
f3 a7                   ;             repe cmpsl
c3                      ;             ret

bf 00 40 00 00          ; expect:     mov $EXPECTED, %edi
8b 15 24 20 00 00       ;             mov LBA, %edx
89 17                   ;             mov %edx, (%edi)
89 47 04                ;             mov %eax, 4(%edi)
8d 1c 10                ;             lea (%eax, %edx), %ebx
69 d2 b1 79 37 9e       ;             imul $0x9e3779b1, %edx, %edx
31 d0                   ;             xor %edx, %eax
83 c7 08                ;             add $8, %edi
b9 7d 00 00 00          ;             mov $(SECTOR / 4 - 3), %ecx
69 c0 0d 66 19 00       ; filler:     imul $1664525, %eax, %eax
05 5f f3 6e 3c          ;             add $1013904223, %eax
ab                      ;             stosl
01 c3                   ;             add %eax, %ebx
e2 f0                   ;             loop filler
89 1f                   ;             mov %ebx, (%edi)
c3                      ;             ret

50                      ; field:      push %eax
e8 1d 00 00 00          ;             call puts
58                      ;             pop %eax
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
e8 0f 00 00 00          ;             call putc
e2 f6                   ;             loop emit
c3                      ;             ret

${SERIAL_OUTPUT}

73 77 69 74 63 68 79 61 ; ready:      .asciz "switchyard guest ready\r\n"
72 64 20 67 75 65 73 74
20 72 65 61 64 79 0d 0a
00
73 77 69 74 63 68 79 61 ; woke:       .asciz "switchyard guest woke\r\n"
72 64 20 67 75 65 73 74
20 77 6f 6b 65 0d 0a 00
73 77 69 74 63 68 79 61 ; acts:       .asciz "switchyard guest acts\r\n"
72 64 20 67 75 65 73 74
20 61 63 74 73 0d 0a 00
6c 61 70 3d 00          ; lap_is:     .asciz "lap="
20 77 72 69 74 65 73 3d ; writes_is:  .asciz " writes="
00
20 64 69 73 6b 2d 65 72 ; disk_errors_is: .asciz " disk-errors="
72 6f 72 73 3d 00
20                      ;             .ascii " "
63 6f 75 6e 74 65 72 3d ; counter_is: .asciz "counter="
00
20 65 72 72 6f 72 73 3d ; errors_is:  .asciz " errors="
00
0d 0a 00                ; newline:    .asciz "\r\n"
`;
