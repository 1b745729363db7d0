/* What the stand-in tenders and their guest agree on. */
#ifndef GUEST_H
#define GUEST_H

/* Where a guest's code begins, counted from the start of its memory, and where what it is told lies: below that. */
enum { code_address = 0x100000, boot_address = 0x80000 };

/* Where an spt guest's memory lies in its tender's address space. */
#define spt_base 0x400000000ul

/* The section of the guest's ELF file that declares its network device: a note of the owner `piforge` with its name. */
#define network_section ".note.piforge.net"
#define network_name "service"

/* What the guest is entered with, by address in its first register. */
struct boot {
    unsigned long memory; /* bytes, from the guest's own address 0 (hvt) or of its region (spt) */
    unsigned long arguments; /* the address of its command line, which ends with a zero byte */
    long network; /* the tap's file descriptor (spt), or 0 (hvt); -1 when there is none */
    unsigned char mac[8]; /* the six bytes of its MAC address */
};

/* hvt: the place whose every eighth byte is a call; above all memory that a guest may have. */
#define call_base 0x100000000ul
enum { call_write, call_wait, call_halt, call_net_read, call_net_write, call_count };

/*
 * write, net_read, net_write: address, length; halt: status; wait: until a packet has come. `result` is how many bytes
 * net_read and net_write took; 0 for none. net_read does not wait.
 */
struct call {
    unsigned long first, second, result;
};

enum { largest_frame = 2048 };

#endif
