/*
 * The guest of both stand-in tenders, compiled once for each: it says which one it runs under and what its arguments
 * are, and does what they ask: `exit=N` ends it with that status, `wait` waits for a signal, `forbidden` does what its
 * tender forbids.
 */
#include "guest.h"

typedef unsigned long word;

static word length(const char *text)
{
    word count = 0;
    while (text[count]) count++;
    return count;
}

#ifdef HVT
#define monitor "hvt"

static void call(word number, word first, word second)
{
    volatile struct call record = {first, second};
    *(volatile unsigned *)(call_base + 8 * number) = (unsigned)(word)&record;
}

static void say(const char *text) { call(call_write, (word)text, length(text)); }
static void wait(void) { call(call_wait, 0, 0); }
static void forbidden(void) { call(call_count, 0, 0); }
static void halt(word status) { call(call_halt, status, 0); }
#else
#define monitor "spt"

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
static void wait(void) { call(73 /* ppoll */, 0, 0, 0); }
static void forbidden(void) { call(56 /* openat */, (word)-100, (word) "/etc/hostname", 0); }
static void halt(word status) { call(94 /* exit_group */, status, 0, 0); }
#endif

/* Whether the text begins with the word, and that ends there. */
static int is(const char *text, const char *name)
{
    while (*name && *text == *name) text++, name++;
    return !*name && (!*text || *text == ' ');
}

/* The first thing in the file: the tender enters it with a stack. */
__attribute__((section(".text.first"))) void start(const word *boot)
{
    const char *arguments = (const char *)boot[1];
    say("unikernel under " monitor ": ");
    say(*arguments ? arguments : "no arguments");
    say("\n");
    word status = 0;
    for (const char *at = arguments; *at;) {
        if (is(at, "wait")) {
            for (;;) wait();
        } else if (is(at, "forbidden")) {
            forbidden();
            say("and nobody minded\n");
        } else if (at[0] == 'e' && at[1] == 'x' && at[2] == 'i' && at[3] == 't' && at[4] == '=') {
            status = 0;
            for (const char *digit = at + 5; *digit >= '0' && *digit <= '9'; digit++)
                status = 10 * status + (word)(*digit - '0');
        }
        while (*at && *at != ' ') at++;
        while (*at == ' ') at++;
    }
    for (;;) halt(status);
}
