/* The text kit: numbers and names into reserved sink space. Every put_ function writes at `at`,
 * returns the place after the last byte, and writes at most the number of bytes its comment
 * says. */
#ifndef ETLHEAP_CONVERTERS_TEXT_H
#define ETLHEAP_CONVERTERS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TEXT_U64_BYTES 20
#define TEXT_I64_BYTES 20
#define TEXT_HEX_BYTES 18 /* 0x and 16 digits */

char *put_u64(char *at, uint64_t value);
char *put_i64(char *at, int64_t value);
/* Lower case, 0x, no leading zeros. */
char *put_hex(char *at, uint64_t value);
/* Exactly `digits` digits with leading zeros; value < 10^digits. */
char *put_digits(char *at, uint64_t value, unsigned digits);
/* The same for eight digits, fast. */
char *put_8_digits(char *at, uint64_t value);

static inline char *put_bytes(char *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

static inline char *put_string(char *at, const char *s)
{
    return put_bytes(at, s, strlen(s));
}

/* Exactly six digits; value < 10^6. */
char *put_six_digits(char *at, uint32_t value);
/* Exactly eight lower-case hexadecimal digits. */
char *put_eight_hex_digits(char *at, uint32_t value);

/* Nanoseconds since 1970 as 2026-07-31T09:02:55.123456789Z: TEXT_UTC_BYTES for the years 0000 to
 * 9999, which every FILETIME-derived value within 64 bits has. */
#define TEXT_UTC_BYTES 32
char *put_utc(char *at, int64_t unix_ns);

/* The inside of a JSON string: `"`, `\`, control characters and U+007F escaped, the rest raw.
 * At most 6 bytes per input byte. */
char *put_json_escaped(char *at, const char *s, size_t length);

/* Parses an unsigned decimal or 0x hexadecimal number that fills the whole text. 0 or -1. */
int parse_u64(uint64_t *ret_value, const char *text, size_t length);
/* "15us", "2.5ms", "3" (seconds); units ns us ms s; no sign; rounded down to whole ns. 0 or -1. */
int parse_duration_ns(int64_t *ret_ns, const char *text, size_t length);
/* "512", "64K", "10M", "1G" (1024-based, either case). 0 or -1. */
int parse_size(uint64_t *ret_bytes, const char *text, size_t length);

#endif
