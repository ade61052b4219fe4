/* The text kit: numbers and names into reserved sink space. Every put_ function writes at `at`,
 * returns the place after the last byte, and writes at most the number of bytes its comment
 * says. */
#ifndef ETLHEAP_CONVERTERS_TEXT_H
#define ETLHEAP_CONVERTERS_TEXT_H

#include "base/inline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TEXT_U64_BYTES 20
#define TEXT_I64_BYTES 20
#define TEXT_HEX_BYTES 18 /* 0x and 16 digits */

static inline char *put_bytes(char *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

static inline char *put_string(char *at, const char *s)
{
    return put_bytes(at, s, strlen(s));
}

/* Three digits and how many of them are leading zeros (2 at most) for each of 0 to 999: 4 KiB that
 * stay in the first cache, and one load and store where single digits take three divisions. */
extern const char text_triples[];
/* Two lower-case digits for each of 0 to 255. */
extern const char text_hex_pairs[];

/* Exactly three digits; value < 1000. Stores a fourth byte. */
static inline char *put_triple(char *at, uint32_t value)
{
    memcpy(at, text_triples + 4 * (size_t)value, 4);
    return at + 3;
}

/* The same without leading zeros. */
static inline char *put_leading_triple(char *at, uint32_t value)
{
    const char *triple = text_triples + 4 * (size_t)value;
    size_t zeros = (size_t)triple[3];
    memcpy(at, triple + zeros, 4);
    return at + 3 - zeros;
}

static inline char *put_hex_pair(char *at, size_t value)
{
    memcpy(at, text_hex_pairs + 2 * value, 2);
    return at + 2;
}

/* Exactly eight lower-case hexadecimal digits. */
static inline char *put_eight_hex_digits(char *at, uint32_t value)
{
    at = put_hex_pair(at, value >> 24);
    at = put_hex_pair(at, value >> 16 & 0xFF);
    at = put_hex_pair(at, value >> 8 & 0xFF);
    return put_hex_pair(at, value & 0xFF);
}

/* put_u64() of any value: the numbers from 10^9 on. */
EH_RARE char *put_long_u64(char *at, uint64_t value);
#define TEXT_TEN_TO_9 UINT64_C(1000000000)

/* Most numbers of a trace are small: they are asked for first. */
static inline char *put_u64(char *at, uint64_t value)
{
    if (value < 1000)
        return put_leading_triple(at, (uint32_t)value);
    if (value >= TEXT_TEN_TO_9)
        return put_long_u64(at, value);
    uint32_t ones = (uint32_t)value, thousands = ones / 1000;
    ones -= 1000 * thousands;
    if (thousands < 1000)
        return put_triple(put_leading_triple(at, thousands), ones);
    uint32_t millions = thousands / 1000;
    at = put_triple(put_leading_triple(at, millions), thousands - 1000 * millions);
    return put_triple(at, ones);
}

/* Which numbers are written like the one written last but for the last three or six digits: live
 * figures and times seldom leave those from one row to the next, and then cost no branch on their
 * length. Zeroed has none. */
struct text_range {
    uint64_t least, span; /* these are: least, least + 1, ... least + span - 1 */
    uint64_t above;       /* what the digits that stay stand for */
    const char *triples;  /* text_triples, without as many of the first digits behind them ... */
    uint64_t kept;        /* ... as would be leading zeros: 1 to 3 of three are kept */
};

/* The range of `value`, which has `length` digits of which the last `changing`, 3 or 6, may change.
 * Returns how many stay. There may be no range: for numbers above UINT64_MAX / 4, and for those of
 * up to three digits with 6. */
size_t text_range_set(struct text_range *r, uint64_t value, size_t length, unsigned changing);

static inline bool is_near(const struct text_range *r, uint64_t value)
{
    return value - r->least < r->span;
}

/* The changing digits of a near value: up to six, and up to three. Both store a byte more. */
static inline char *put_last_six(char *at, const struct text_range *r, uint64_t value)
{
    /* By multiplying: exact below 6 000 000, and 2 instructions less than a division's. */
    uint64_t low = value - r->above, thousands = low * 4294968 >> 32;
    memcpy(at, r->triples + 4 * thousands, 4);
    at += r->kept;
    memcpy(at, text_triples + 4 * (low - 1000 * thousands), 4);
    return at + 3;
}

static inline char *put_last_three(char *at, const struct text_range *r, uint64_t value)
{
    memcpy(at, r->triples + 4 * (value - r->above), 4);
    return at + r->kept;
}

/* A number as it was last written: its range, and the digits that stay. Zeroed is none. */
struct text_near {
    struct text_range range;
    uint64_t length;
    char text[16];
};

#define TEXT_NEAR_BYTES 24

/* The slow paths of the two below: put_u64(), and remember. */
EH_RARE char *put_new_six(char *at, struct text_near *n, uint64_t value);
EH_RARE char *put_new_three(char *at, struct text_near *n, uint64_t value);

static inline char *put_staying(char *at, const struct text_near *n)
{
    memcpy(at, n->text, sizeof n->text);
    return at + n->length;
}

/* put_u64() of numbers that mostly share all but their last six digits. TEXT_NEAR_BYTES. */
static inline char *put_six(char *at, struct text_near *n, uint64_t value)
{
    return is_near(&n->range, value) ? put_last_six(put_staying(at, n), &n->range, value)
                                     : put_new_six(at, n, value);
}

/* The same for smaller numbers, which share all but their last three. */
static inline char *put_three(char *at, struct text_near *n, uint64_t value)
{
    return is_near(&n->range, value) ? put_last_three(put_staying(at, n), &n->range, value)
                                     : put_new_three(at, n, value);
}

static inline char *put_i64(char *at, int64_t value)
{
    if (value >= 0)
        return put_u64(at, (uint64_t)value);
    *at = '-';
    return put_long_u64(at + 1, 0 - (uint64_t)value);
}

/* Lower case, 0x, no leading zeros. */
char *put_hex(char *at, uint64_t value);

/* "0x1d2", what the address written last has in common with those in the same 4 GiB. Zeroed is
 * none. */
struct text_high {
    uint64_t above; /* its upper 32 bits plus 1, 0: none */
    uint64_t length;
    char text[16];
};

/* put_hex() of addresses that mostly lie near each other, and its slow path. TEXT_NEAR_BYTES. */
EH_RARE char *put_new_near_hex(char *at, struct text_high *h, uint64_t address);

static inline char *put_near_hex(char *at, struct text_high *h, uint64_t address)
{
    if ((address >> 32) + 1 != h->above)
        return put_new_near_hex(at, h, address);
    memcpy(at, h->text, sizeof h->text);
    return put_eight_hex_digits(at + h->length, (uint32_t)address);
}

/* Exactly `digits` digits with leading zeros; value < 10^digits. */
char *put_digits(char *at, uint64_t value, unsigned digits);

/* An amount of memory for a reader: "1 byte", "81.2 MiB". */
#define TEXT_AMOUNT_BYTES 16
char *put_amount(char *at, uint64_t bytes);

/* Nanoseconds since 1970 as 2026-07-31T09:02:55.123456789Z: TEXT_UTC_BYTES for the years 0000 to
 * 9999, which every FILETIME-derived value within 64 bits has. */
#define TEXT_UTC_BYTES 32
char *put_utc(char *at, int64_t unix_ns);

/* The inside of a JSON string: `"`, `\`, control characters and U+007F escaped, the rest raw.
 * At most 6 bytes per input byte. */
char *put_json_escaped(char *at, const char *s, size_t length);
/* How many bytes put_json_escaped() writes at most; exact where nothing is escaped. */
size_t json_escaped_bytes(const char *s, size_t length);

/* Text of a stranger for a terminal: control characters, those that turn the direction of writing,
 * and bytes that are no UTF-8 are written out, as \x1b or \u202e. At most 4 bytes per input byte. */
char *put_terminal_safe(char *at, const char *s, size_t length);

/* Parses an unsigned decimal or 0x hexadecimal number that fills the whole text. 0 or -1. */
int parse_u64(uint64_t *ret_value, const char *text, size_t length);
/* "15us", "2.5ms", "3" (seconds); units ns us ms s; no sign; rounded down to whole ns. 0 or -1. */
int parse_duration_ns(int64_t *ret_ns, const char *text, size_t length);
/* "512", "64K", "10M", "1G" (1024-based, either case). 0 or -1. */
int parse_size(uint64_t *ret_bytes, const char *text, size_t length);

#endif
