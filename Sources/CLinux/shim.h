#pragma once

// Calls of Linux's own that C sees only with _GNU_SOURCE, and Swift therefore not at all.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <unistd.h>

// copy_file_range(2); both offsets are bytes.
static inline ssize_t piforge_copy_file_range(int from, off_t from_offset, int to, off_t to_offset, size_t count) {
    return copy_file_range(from, &from_offset, to, &to_offset, count, 0);
}

// sync_file_range(2): has the kernel begin to write a range to the disk, and does not wait for it.
static inline int piforge_begin_writing(int file, off_t offset, off_t count) {
    return sync_file_range(file, offset, count, SYNC_FILE_RANGE_WRITE);
}
