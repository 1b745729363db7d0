#pragma once

#include <et/com_err.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

// A C global is shared mutable state to Swift 6; it is handed out through a function instead.
static inline io_manager piforge_unix_io_manager(void) { return unix_io_manager; }

// The allocation hook is a field of the handle; a setter keeps its C signature out of Swift.
typedef errcode_t (*piforge_allocate_block)(ext2_filsys fs, blk64_t goal, blk64_t *block);
static inline void piforge_set_block_allocator(ext2_filsys fs, piforge_allocate_block allocate, void *context) {
    fs->priv_data = context;
    ext2fs_set_alloc_block_callback(fs, allocate, 0);
}
