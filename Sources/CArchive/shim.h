#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

// LC_CTYPE_MASK is an expression of other macros, which Swift does not import.
static inline locale_t piforge_c_locale(void) { return newlocale(LC_CTYPE_MASK, "C", (locale_t)0); }
