/* One line of a case: a word, perhaps a second, and key=value fields (CASE.md).
 *
 * Values are asked for by key; the first thing that is wrong sticks in `error` and later values are
 * zeros, so that directives are written without checks and line_finish() settles the matter. */
#ifndef ETLHEAP_TOOLS_CASE_LINE_H
#define ETLHEAP_TOOLS_CASE_LINE_H

#include "base/error.h"
#include "case_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CASE_FIELDS = 64 };

struct case_field {
    const char *key;
    const char *value;
    bool used;
};

/* What `set` lines said: values for keys that a line does not give. */
struct case_set {
    struct case_field fields[CASE_FIELDS];
    size_t count;
};

struct case_line {
    const char *word;   /* "" on an empty line */
    const char *second; /* "" without */
    struct case_field fields[CASE_FIELDS];
    size_t count;
    const struct case_set *set;
    bool failed;
    char error[256];
};

/* How times of a case turn into raw clock values. */
struct case_clock {
    int64_t raw_start;
    uint64_t ticks_per_second;
    int64_t last; /* raw time of the line before */
};

/* Splits `text` (one line, changed in place; must outlive everything taken from the line). */
void line_parse(struct case_line *l, char *text, const struct case_set *set);

/* Keeps the first message. */
void line_fail(struct case_line *l, const char *format, ...) EH_PRINTF(2, 3);

/* 0, or -1 when something was wrong; a field nobody asked for is. */
int line_finish(struct case_line *l);

/* The value of `key` on the line, else of a `set` line, else NULL. */
const char *line_value(struct case_line *l, const char *key);
/* The value of `key` on the line itself only, else NULL. */
const char *line_own_value(struct case_line *l, const char *key);
/* The next value of a key that may stand several times; *index starts at 0. NULL at the end. */
const char *line_next_value(struct case_line *l, const char *key, size_t *index);

const char *line_text(struct case_line *l, const char *key, const char *fallback);
/* A number that fits `width` bytes, signed or unsigned. */
uint64_t line_number(struct case_line *l, const char *key, unsigned width, uint64_t fallback);
uint64_t line_required(struct case_line *l, const char *key, unsigned width);
/* One of `words` (NULL-terminated), its index; `fallback` without the key. */
size_t line_choice(struct case_line *l, const char *key, const char *const *words, size_t fallback);
/* A raw clock value: ticks, or a time with a unit since the session's start, or after `+` since
 * the line before. */
int64_t line_time(struct case_line *l, const char *key, const struct case_clock *clock,
                  int64_t fallback);
/* A FILETIME: number or ISO 8601 in UTC. */
int64_t line_filetime(struct case_line *l, const char *key, int64_t fallback);
/* Appends the bytes of a hexadecimal value, the numbers of a list, the 16 bytes of a GUID. */
void line_hex(struct case_line *l, const char *key, struct bytes *into);
void line_list(struct case_line *l, const char *key, unsigned width, struct bytes *into);
void line_guid(struct case_line *l, const char *key, const char *fallback, struct bytes *into);

/* The same for texts that do not come from a field. */
uint64_t text_number(struct case_line *l, const char *key, const char *text, unsigned width);
void text_hex(struct case_line *l, const char *key, const char *text, struct bytes *into);

#endif
