/*
 * As much of JSON (RFC 8259) as a runtime needs of a bundle's config.json: values are found by a path of member names
 * and read where they stand in the text. The text is checked whole first, with a bound on its depth.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the text, which ends with a zero byte, is one JSON value and nothing more. */
bool json_valid(const char *text);

/* The value of an object's member; NULL when there is none, or the value is no object. */
const char *json_member(const char *value, const char *name);

/* The value at a path of members such as "process/args"; NULL when there is none. */
const char *json_at(const char *value, const char *path);

/* An array's first element, and the one after another; NULL after the last. */
const char *json_first(const char *array);
const char *json_next(const char *element);

/* A string's text, in memory of the caller's to free; NULL when the value is no string or holds a zero character. */
char *json_string(const char *value);

/* A whole number; `otherwise` when the value is none. */
long json_number(const char *value, long otherwise);

/* Whether the value is `true`. */
bool json_true(const char *value);

/* The value's text as it stands there; NULL when there is no value. In memory of the caller's to free. */
char *json_copy(const char *value);

/* A text as a string of JSON, with its quotation marks. In memory of the caller's to free; NULL when there is none. */
char *json_quoted(const char *text);

#endif
