#pragma once

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

// A C global is shared mutable state to Swift 6; it is handed out through a function instead.
static inline io_manager piforge_unix_io_manager(void) { return unix_io_manager; }
