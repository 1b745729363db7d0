#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

// LC_CTYPE_MASK is an expression of other macros, which Swift does not import.
static inline locale_t piforge_utf8_locale(void) { return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }
