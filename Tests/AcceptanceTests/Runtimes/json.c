#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { deepest = 64 };

static const char *past_space(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
    return at;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Past a string that begins at `at`; NULL when it is damaged. */
static const char *past_string(const char *at)
{
    if (*at++ != '"') return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20) return NULL;
        if (*at != '\\') continue;
        if (*++at == 'u') {
            for (int i = 1; i <= 4; i++)
                if (hex_digit(at[i]) < 0) return NULL;
            at += 4;
        } else if (!*at || !strchr("\"\\/bfnrt", *at)) {
            return NULL;
        }
    }
    return at + 1;
}

/* Past the value at `at`; NULL when it is damaged or nested too deeply. */
static const char *past_value(const char *at, int depth)
{
    if (!at || depth > deepest) return NULL;
    if (*at == '"') return past_string(at);
    if (*at == '{' || *at == '[') {
        char end = *at == '{' ? '}' : ']';
        at = past_space(at + 1);
        if (*at == end) return at + 1;
        for (;;) {
            if (end == '}') {
                if (!(at = past_string(at))) return NULL;
                at = past_space(at);
                if (*at++ != ':') return NULL;
                at = past_space(at);
            }
            if (!(at = past_value(at, depth + 1))) return NULL;
            at = past_space(at);
            if (*at == end) return at + 1;
            if (*at++ != ',') return NULL;
            at = past_space(at);
        }
    }
    for (const char **word = (const char *[]){"true", "false", "null", NULL}; *word; word++)
        if (!strncmp(at, *word, strlen(*word))) return at + strlen(*word);
    size_t length = strspn(at, "+-0123456789.eE");
    return length && (*at == '-' || (*at >= '0' && *at <= '9')) ? at + length : NULL;
}

bool json_valid(const char *text)
{
    const char *end = past_value(past_space(text), 0);
    return end && !*past_space(end);
}

const char *json_member(const char *value, const char *name)
{
    if (!value || *value != '{') return NULL;
    const char *at = past_space(value + 1);
    while (*at == '"') {
        const char *end = past_string(at);
        char *found = json_string(at);
        bool same = found && !strcmp(found, name);
        free(found);
        at = past_space(past_space(end) + 1);
        if (same) return at;
        at = past_space(past_value(at, 0));
        if (*at == ',') at = past_space(at + 1);
    }
    return NULL;
}

const char *json_at(const char *value, const char *path)
{
    char name[64];
    while (value && *path) {
        size_t length = strcspn(path, "/");
        if (length >= sizeof name) return NULL;
        memcpy(name, path, length);
        name[length] = 0;
        value = json_member(value, name);
        path += length + (path[length] == '/');
    }
    return value;
}

const char *json_first(const char *array)
{
    if (!array || *array != '[') return NULL;
    const char *at = past_space(array + 1);
    return *at == ']' ? NULL : at;
}

const char *json_next(const char *element)
{
    const char *at = past_space(past_value(element, 0));
    return *at == ',' ? past_space(at + 1) : NULL;
}

char *json_string(const char *value)
{
    if (!value || *value != '"') return NULL;
    const char *end = past_string(value);
    /* No escape is shorter than what it stands for. */
    char *text = malloc((size_t)(end - value)), *to = text;
    if (!text) return NULL;
    for (const char *at = value + 1; at < end - 1; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        static const char names[] = "bfnrt", codes[] = "\b\f\n\r\t";
        const char *named = strchr(names, *++at);
        if (named) {
            *to++ = codes[named - names];
        } else if (*at != 'u') {
            *to++ = *at;
        } else {
            unsigned code = 0;
            for (int i = 1; i <= 4; i++) code = code << 4 | (unsigned)hex_digit(at[i]);
            at += 4;
            /* A pair of surrogates becomes two of three bytes: nothing here compares such text. */
            if (!code) {
                free(text);
                return NULL;
            }
            if (code < 0x80) {
                *to++ = (char)code;
            } else if (code < 0x800) {
                *to++ = (char)(0xc0 | code >> 6);
                *to++ = (char)(0x80 | (code & 0x3f));
            } else {
                *to++ = (char)(0xe0 | code >> 12);
                *to++ = (char)(0x80 | (code >> 6 & 0x3f));
                *to++ = (char)(0x80 | (code & 0x3f));
            }
        }
    }
    *to = 0;
    return text;
}

long json_number(const char *value, long otherwise)
{
    if (!value) return otherwise;
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    return end == value || errno || (*end && strchr(".eE", *end)) ? otherwise : number;
}

bool json_true(const char *value) { return value && !strncmp(value, "true", 4); }

char *json_copy(const char *value) { return value ? strndup(value, (size_t)(past_value(value, 0) - value)) : NULL; }

char *json_quoted(const char *text)
{
    char *made = malloc(6 * strlen(text) + 3), *to = made;
    if (!made) return NULL;
    *to++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            to += sprintf(to, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') *to++ = '\\';
            *to++ = (char)c;
        }
    }
    strcpy(to, "\"");
    return made;
}
