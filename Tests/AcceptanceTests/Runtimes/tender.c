#include "tender.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { largest_guest = 16 << 20, most_segments = 16 };

void stop(const char *what, const char *subject)
{
    fprintf(stderr, "%s: %s%s%s\n", tender, what, subject ? ": " : "", subject ? subject : "");
    exit(1);
}

static bool begins(const char *word, const char *with) { return !strncmp(word, with, strlen(with)); }

void read_options(struct options *options, int count, char **words)
{
    memset(options, 0, sizeof *options);
    options->memory = 512 << 20;
    int at = 1;
    for (; at < count && begins(words[at], "--"); at++) {
        const char *word = words[at];
        if (!strcmp(word, "--")) {
            at++;
            break;
        }
        if (!strcmp(word, "--version")) {
            printf("%s stand-in of piforge's tests\n", tender);
            exit(0);
        }
        if (begins(word, "--mem=")) {
            char *end;
            unsigned long number = strtoul(word + 6, &end, 10);
            if (*end || end == word + 6 || number < 2 || number > 1024) stop("not 2 to 1024 MiB of memory", word);
            options->memory = number << 20;
        } else if (begins(word, "--net:") && strchr(word, '=')) {
            options->networks++;
        } else if (begins(word, "--block:") && strchr(word, '=')) {
            options->disks++;
        } else if (!begins(word, "--net-mac:")) {
            stop("there is no such option", word);
        }
    }
    if (at == count) stop("no kernel is named", NULL);
    options->kernel = words[at++];
    size_t used = 0;
    for (; at < count; at++) {
        int length = snprintf(options->arguments + used, sizeof options->arguments - used, "%s%s", used ? " " : "",
            words[at]);
        used += (size_t)length;
        if (used >= sizeof options->arguments) stop("the guest's arguments are too long", NULL);
    }
}

uint64_t load_guest(const char *path, char *memory, uint64_t base, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status)) stop(strerror(errno), path);
    if (!S_ISREG(status.st_mode) || status.st_size > largest_guest) stop("not a file of up to 16 MiB", path);
    size_t length = (size_t)status.st_size;
    char *bytes = malloc(length + 1);
    if (!bytes) stop("out of memory", NULL);
    for (size_t done = 0; done < length;) {
        ssize_t got = read(file, bytes + done, length - done);
        if (got <= 0) stop("cannot be read whole", path);
        done += (size_t)got;
    }
    close(file);

    Elf64_Ehdr head;
    if (length < sizeof head) stop("no ELF file", path);
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_type != ET_EXEC)
        stop("no static 64-bit ELF file", path);
    if (head.e_machine != EM_AARCH64) stop("not for arm64", path);
    if (head.e_phnum > most_segments || head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phoff > length
        || head.e_phnum * sizeof(Elf64_Phdr) > length - head.e_phoff)
        stop("its program headers are damaged", path);
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + head.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD) continue;
        uint64_t at = segment.p_vaddr - base;
        if (segment.p_offset > length || segment.p_filesz > length - segment.p_offset
            || segment.p_filesz > segment.p_memsz || segment.p_vaddr < base || at > size || segment.p_memsz > size - at)
            stop("a segment lies outside of the file or of the guest's memory", path);
        memcpy(memory + at, bytes + segment.p_offset, segment.p_filesz);
    }
    free(bytes);
    if (head.e_entry < base || head.e_entry - base >= size) stop("the entry lies outside of the guest's memory", path);
    return head.e_entry;
}
