/*
 * The guest of both stand-in tenders, compiled once for each: it says which one it runs under and what its arguments are,
 * and does what they ask, one after the other:
 *
 *   exit=N      it will end with that status
 *   memory      says how much memory it has
 *   touch       writes to every page of its memory
 *   wait        waits for a signal
 *   serve       does not end; with a network device it answers ARP and ping
 *   forbidden   does what its tender forbids
 *
 * With -DNET it declares a network device, and takes its address from `--ipv4=ADDRESS/LENGTH`.
 *
 * Sources: RFC 826 (ARP), RFC 791 (IPv4), RFC 792 (ICMP), RFC 1071 (their checksum).
 */
#include "guest.h"

typedef unsigned long word;
typedef unsigned char byte;

static word length(const char *text)
{
    word count = 0;
    while (text[count]) count++;
    return count;
}

#ifdef HVT
#define monitor "hvt"
#define memory_base 0

static word call(word number, word first, word second)
{
    volatile struct call record = {first, second, 0};
    asm volatile("" : : : "memory");
    *(volatile unsigned *)(call_base + 8 * number) = (unsigned)(word)&record;
    asm volatile("" : : : "memory");
    return record.result;
}

static void say(const char *text) { call(call_write, (word)text, length(text)); }
static void wait(const struct boot *boot)
{
    (void)boot;
    call(call_wait, 0, 0);
}
static void forbidden(void) { call(call_count, 0, 0); }
static void halt(word status) { call(call_halt, status, 0); }
#else
#define monitor "spt"
#define memory_base spt_base

static long call(word number, word a, word b, word c)
{
    register word x8 asm("x8") = number;
    register word x0 asm("x0") = a;
    register word x1 asm("x1") = b;
    register word x2 asm("x2") = c;
    register word x3 asm("x3") = 0;
    register word x4 asm("x4") = 0;
    asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return (long)x0;
}

static void say(const char *text) { call(64 /* write */, 1, (word)text, length(text)); }

/* Without a network device only a signal ends it, and the tender with it. */
static void wait(const struct boot *boot)
{
    struct {
        int file;
        short events, seen;
    } watched = {(int)boot->network, 1 /* POLLIN */, 0};
    call(73 /* ppoll */, (word)&watched, boot->network < 0 ? 0 : 1, 0);
}

static void forbidden(void) { call(56 /* openat */, (word)-100, (word) "/etc/hostname", 0); }
static void halt(word status) { call(94 /* exit_group */, status, 0, 0); }
#endif

/* Whether the text begins with the word, and that ends there. */
static int is(const char *text, const char *name)
{
    while (*name && *text == *name) text++, name++;
    return !*name && (!*text || *text == ' ');
}

/* What follows `name` at the start of the text; a null pointer when the text begins otherwise. */
static const char *after(const char *text, const char *name)
{
    while (*name && *text == *name) text++, name++;
    return *name ? 0 : text;
}

/* Reads digits at `*text` and moves it past them. */
static word number(const char **text)
{
    word value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) value = 10 * value + (word)(**text - '0');
    return value;
}

static void say_mib(const char *before, word bytes)
{
    char digits[24], *at = digits + sizeof digits;
    word rest = bytes >> 20;
    *--at = 0;
    do *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    say(before);
    say(at);
    say(" MiB\n");
}

/* Writes to every page what stands there. The compiler is not told of an object at these addresses. */
static void touch(word size)
{
    for (word at = memory_base; at < memory_base + size; at += 4096) {
        word value;
        asm volatile("ldrb %w0, [%1]\n  strb %w0, [%1]" : "=&r"(value) : "r"(at) : "memory");
    }
}

#ifdef NET
asm(".pushsection " network_section ",\"\",%note\n"
    ".balign 4\n"
    ".4byte 8, 8, 1\n"
    ".asciz \"piforge\"\n"
    ".asciz \"" network_name "\"\n"
    ".popsection");

static byte frame[largest_frame], address[4];
static int has_address;

static word receive(const struct boot *boot)
{
#ifdef HVT
    (void)boot;
    return call(call_net_read, (word)frame, sizeof frame);
#else
    long got = call(63 /* read */, (word)boot->network, (word)frame, sizeof frame);
    return got > 0 ? (word)got : 0;
#endif
}

/* A packet that cannot be sent is lost, as on any network. */
static void send(const struct boot *boot, word size)
{
#ifdef HVT
    (void)boot;
    call(call_net_write, (word)frame, size);
#else
    call(64 /* write */, (word)boot->network, (word)frame, size);
#endif
}

static void copy(byte *to, const byte *from, word count)
{
    for (volatile byte *at = to; count--;) *at++ = *from++;
}

static int same(const byte *one, const byte *other, word count)
{
    while (count && *one == *other) one++, other++, count--;
    return !count;
}

static word big_endian(const byte *at) { return (word)at[0] << 8 | at[1]; }

static word checksum(const byte *at, word count)
{
    word sum = 0;
    for (; count > 1; count -= 2, at += 2) sum += big_endian(at);
    if (count) sum += (word)*at << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static void put(byte *at, word value)
{
    at[0] = (byte)(value >> 8);
    at[1] = (byte)value;
}

enum { ethernet = 14, arp = 28, ipv4 = 20, icmp = 8 };

/* Sends the frame back to its sender. */
static void answer(const struct boot *boot, word size)
{
    copy(frame, frame + 6, 6);
    copy(frame + 6, boot->mac, 6);
    send(boot, size);
}

static void answer_arp(const struct boot *boot)
{
    static const byte request[] = {0, 1 /* Ethernet */, 8, 0 /* IPv4 */, 6, 4, 0, 1 /* request */};
    byte *packet = frame + ethernet;
    if (!same(packet, request, sizeof request) || !same(packet + 24, address, 4)) return;
    packet[7] = 2; /* reply */
    copy(packet + 18, packet + 8, 10);
    copy(packet + 8, boot->mac, 6);
    copy(packet + 14, address, 4);
    answer(boot, ethernet + arp);
}

static void answer_ping(const struct boot *boot, word size)
{
    byte *packet = frame + ethernet;
    word head = 4 * (packet[0] & 15ul), total = big_endian(packet + 2);
    if (packet[0] >> 4 != 4 || head < ipv4 || total > size - ethernet || total < head + icmp) return;
    /* A part of a packet, another protocol than ICMP, or another's address. */
    if ((big_endian(packet + 6) & 0x3fff) || packet[9] != 1 || !same(packet + 16, address, 4)) return;
    if (checksum(packet, head)) return;
    byte *message = packet + head;
    if (message[0] != 8 /* echo */ || message[1] || checksum(message, total - head)) return;
    message[0] = 0; /* echo reply */
    put(message + 2, 0);
    put(message + 2, checksum(message, total - head));
    copy(packet + 16, packet + 12, 4);
    copy(packet + 12, address, 4);
    packet[8] = 64;
    put(packet + 10, 0);
    put(packet + 10, checksum(packet, head));
    answer(boot, ethernet + total);
}

static void serve(const struct boot *boot)
{
    for (word size; (size = receive(boot));) {
        word kind = size < ethernet ? 0 : big_endian(frame + 12);
        if (!has_address) continue;
        if (kind == 0x0806 && size >= ethernet + arp) answer_arp(boot);
        if (kind == 0x0800 && size >= ethernet + ipv4) answer_ping(boot, size);
    }
    wait(boot);
}

static void read_address(const char *text)
{
    for (int i = 0; i < 4; i++) {
        address[i] = (byte)number(&text);
        if (*text == '.') text++;
    }
    has_address = 1;
}
#else
static void serve(const struct boot *boot) { wait(boot); }
static void read_address(const char *text) { (void)text; }
#endif

/* The entry; the tender has set up a stack. */
void start(const struct boot *boot)
{
    const char *arguments = (const char *)boot->arguments, *value;
    say("unikernel under " monitor ": ");
    say(*arguments ? arguments : "no arguments");
    say("\n");
    word status = 0;
    for (const char *at = arguments; *at;) {
        if (is(at, "wait")) {
            for (;;) wait(boot);
        } else if (is(at, "serve")) {
            for (;;) serve(boot);
        } else if (is(at, "memory")) {
            say_mib("memory ", boot->memory);
        } else if (is(at, "touch")) {
            touch(boot->memory);
            say_mib("touched ", boot->memory);
        } else if (is(at, "forbidden")) {
            forbidden();
            say("and nobody minded\n");
        } else if ((value = after(at, "exit="))) {
            status = number(&value);
        } else if ((value = after(at, "--ipv4="))) {
            read_address(value);
        }
        while (*at && *at != ' ') at++;
        while (*at == ' ') at++;
    }
    for (;;) halt(status);
}
