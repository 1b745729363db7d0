/* What the stand-in tenders and their guest agree on. */
#ifndef GUEST_H
#define GUEST_H

/* Where a guest's code begins, counted from the start of its memory, and where what it is told lies: below that. */
enum { code_address = 0x100000, boot_address = 0x80000 };

/* Where an spt guest's memory lies in its tender's address space. */
#define spt_base 0x400000000ul

/* hvt: the place whose every eighth byte is a call; above all memory that a guest may have. */
#define call_base 0x100000000ul
enum { call_write, call_wait, call_halt, call_count };

/* write: address, length; halt: status. */
struct call {
    unsigned long first, second;
};

#endif
