#include "text.h"

#include "base/utf.h"

#include <stdbool.h>
#include <stdio.h>

/* `p` and a digit, then the number of leading zeros as `z`. */
#define TEN(p, z)  p "0" z p "1" z p "2" z p "3" z p "4" z p "5" z p "6" z p "7" z p "8" z p "9" z
#define HUNDRED(p) TEN(p "0", "\0") TEN(p "1", "\0") TEN(p "2", "\0") TEN(p "3", "\0") \
                   TEN(p "4", "\0") TEN(p "5", "\0") TEN(p "6", "\0") TEN(p "7", "\0") \
                   TEN(p "8", "\0") TEN(p "9", "\0")
const char text_triples[] =
    TEN("00", "\2") TEN("01", "\1") TEN("02", "\1") TEN("03", "\1") TEN("04", "\1")
    TEN("05", "\1") TEN("06", "\1") TEN("07", "\1") TEN("08", "\1") TEN("09", "\1")
    HUNDRED("1") HUNDRED("2") HUNDRED("3") HUNDRED("4") HUNDRED("5") HUNDRED("6") HUNDRED("7")
    HUNDRED("8") HUNDRED("9");

/* "000102" to "feff" */
#define SIXTEEN(p) p "0" p "1" p "2" p "3" p "4" p "5" p "6" p "7" \
                   p "8" p "9" p "a" p "b" p "c" p "d" p "e" p "f"
const char text_hex_pairs[] =
    SIXTEEN("0") SIXTEEN("1") SIXTEEN("2") SIXTEEN("3") SIXTEEN("4") SIXTEEN("5") SIXTEEN("6")
    SIXTEEN("7") SIXTEEN("8") SIXTEEN("9") SIXTEEN("a") SIXTEEN("b") SIXTEEN("c") SIXTEEN("d")
    SIXTEEN("e") SIXTEEN("f");

/* Nine digits, exactly nine bytes; value < 10^9. */
static char *put_nine_digits(char *at, uint32_t value)
{
    at = put_triple(at, value / 1000000);
    at = put_triple(at, value / 1000 % 1000);
    return put_bytes(at, text_triples + 4 * (size_t)(value % 1000), 3);
}

char *put_long_u64(char *at, uint64_t value)
{
    if (value < TEXT_TEN_TO_9)
        return put_u64(at, value);
    at = put_long_u64(at, value / TEXT_TEN_TO_9);
    return put_nine_digits(at, (uint32_t)(value % TEXT_TEN_TO_9));
}

size_t text_range_set(struct text_range *r, uint64_t value, size_t length, unsigned changing)
{
    uint64_t step = changing == 6 ? 1000000 : 1000;
    *r = (struct text_range){0};
    /* No range may end beyond 64 bits; some formats write numbers above 63 in another way. */
    if (value > UINT64_MAX / 4 || length + 3 <= changing)
        return 0;
    if (length > changing) {
        *r = (struct text_range){.least = value / step * step, .span = step,
                                 .triples = text_triples, .kept = 3};
        r->above = r->least;
        return length - changing;
    }
    uint64_t least = 1;
    for (size_t i = 1; i < length; i++)
        least *= 10;
    *r = (struct text_range){.least = least, .span = 9 * least,
                             .triples = text_triples + (changing - length),
                             .kept = 3 - (changing - length)};
    return 0;
}

static char *put_new_near(char *at, struct text_near *n, uint64_t value, unsigned changing)
{
    char *end = put_u64(at, value);
    n->length = text_range_set(&n->range, value, (size_t)(end - at), changing);
    memcpy(n->text, at, (size_t)n->length);
    return end;
}

char *put_new_six(char *at, struct text_near *n, uint64_t value)
{
    return put_new_near(at, n, value, 6);
}

char *put_new_three(char *at, struct text_near *n, uint64_t value)
{
    return put_new_near(at, n, value, 3);
}

char *put_hex(char *at, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    unsigned count = (unsigned)(67 - __builtin_clzll(value | 1)) / 4;
    *at++ = '0';
    *at++ = 'x';
    if (count % 2) {
        count--;
        *at++ = digits[value >> count * 4];
    }
    while (count) {
        count -= 2;
        at = put_hex_pair(at, value >> count * 4 & 0xFF);
    }
    return at;
}

/* The next address is probably in the same 4 GiB. */
char *put_new_near_hex(char *at, struct text_high *h, uint64_t address)
{
    uint64_t high = address >> 32;
    if (!high)
        return put_hex(at, address);
    h->above = high + 1;
    h->length = (uint64_t)(put_hex(h->text, high) - h->text);
    return put_eight_hex_digits(put_bytes(at, h->text, (size_t)h->length), (uint32_t)address);
}

char *put_digits(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    return at + digits;
}

char *put_amount(char *at, uint64_t bytes)
{
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    if (bytes < 1024)
        return put_string(put_u64(at, bytes), bytes == 1 ? " byte" : " bytes");
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    char number[TEXT_AMOUNT_BYTES];
    int length = snprintf(number, sizeof number, "%.*f", value < 100 ? 1 : 0, value);
    return put_string(put_bytes(at, number, (size_t)length), units[unit]);
}

struct date {
    int64_t year;
    unsigned month, day;
};

/* Proleptic Gregorian date of a day count from 1970. Years are counted from March, so that the
 * leap day is the last of its year, in eras of 400 years (146097 days). */
static struct date date_of_day(int64_t day)
{
    day += 719468; /* from 0000-03-01 */
    int64_t era = (day >= 0 ? day : day - 146096) / 146097;
    unsigned in_era = (unsigned)(day - era * 146097);
    unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
    unsigned march_month = (5 * in_year + 2) / 153;
    unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct date){
        .year = era * 400 + year + (month <= 2),
        .month = month,
        .day = in_year - (153 * march_month + 2) / 5 + 1,
    };
}

char *put_utc(char *at, int64_t unix_ns)
{
    int64_t second = unix_ns / 1000000000;
    int64_t ns = unix_ns % 1000000000;
    if (ns < 0) {
        ns += 1000000000;
        second--;
    }
    int64_t day = second / 86400;
    int64_t in_day = second % 86400;
    if (in_day < 0) {
        in_day += 86400;
        day--;
    }
    struct date date = date_of_day(day);
    at = put_digits(at, (uint64_t)date.year, 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    at = put_digits(at, date.day, 2);
    *at++ = 'T';
    at = put_digits(at, (uint64_t)in_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, (uint64_t)in_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, (uint64_t)in_day % 60, 2);
    *at++ = '.';
    at = put_digits(at, (uint64_t)ns, 9);
    *at++ = 'Z';
    return at;
}

/* The letter of a two-character escape, or 0. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static char *put_escape(char *at, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char letter = short_escape(c);
    *at++ = '\\';
    if (letter) {
        *at++ = letter;
        return at;
    }
    at = put_bytes(at, "u00", 3);
    *at++ = hex[c >> 4];
    *at++ = hex[c & 15];
    return at;
}

static inline bool is_escaped(unsigned char c)
{
    return c < 0x20 || c == 0x7F || c == '"' || c == '\\';
}

size_t json_escaped_bytes(const char *s, size_t length)
{
    size_t bytes = length;
    for (size_t i = 0; i < length; i++)
        bytes += is_escaped((unsigned char)s[i]) ? 5 : 0;
    return bytes;
}

char *put_json_escaped(char *at, const char *s, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)s[i];
        if (is_escaped(c))
            at = put_escape(at, c);
        else
            *at++ = (char)c;
    }
    return at;
}

/* Code points beyond ASCII that change what a terminal shows elsewhere: C1 controls, marks and
 * overrides of direction, line separators. `at` is a valid character of `n` bytes. */
static unsigned steering_character(const unsigned char *at, size_t n)
{
    if (n == 2 && at[0] == 0xC2 && at[1] < 0xA0)
        return at[1];
    if (n != 3)
        return 0;
    unsigned c = (at[0] & 0xFu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    bool steers = c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
                  (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
    return steers ? c : 0;
}

static char *put_byte_escape(char *at, unsigned char c)
{
    return put_hex_pair(put_string(at, "\\x"), c);
}

/* Bytes of the character that begins with `first`, if it is a valid one. */
static size_t character_bytes(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

char *put_terminal_safe(char *at, const char *s, size_t length)
{
    for (size_t i = 0, good = 0; i < length;) {
        const unsigned char *c = (const unsigned char *)s + i;
        if (i >= good)
            good = i + utf8_valid_length(s + i, length - i);
        size_t n = character_bytes(*c);
        unsigned steering = i < good ? steering_character(c, n) : 0;
        if (i >= good || *c < 0x20 || *c == 0x7F) {
            at = put_byte_escape(at, *c);
            n = 1;
        } else if (steering) {
            at = put_hex_pair(put_string(at, "\\u"), steering >> 8);
            at = put_hex_pair(at, steering & 0xFF);
        } else {
            at = put_bytes(at, c, n);
        }
        i += n;
    }
    return at;
}

/* The value of a digit in any base up to 16, or 16. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 16;
}

/* Digits up to the first other character; *ret_used says how many. -1 when they overflow. */
static int parse_leading(uint64_t *ret_value, size_t *ret_used, const char *text, size_t length,
                         unsigned base)
{
    uint64_t value = 0;
    size_t i = 0;
    for (; i < length && digit_value(text[i]) < base; i++) {
        unsigned digit = digit_value(text[i]);
        if (value > (UINT64_MAX - digit) / base)
            return -1;
        value = value * base + digit;
    }
    *ret_value = value;
    *ret_used = i;
    return 0;
}

int parse_u64(uint64_t *ret_value, const char *text, size_t length)
{
    unsigned base = 10;
    if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
        length -= 2;
    }
    uint64_t value;
    size_t used;
    if (parse_leading(&value, &used, text, length, base) < 0 || used == 0 || used != length)
        return -1;
    *ret_value = value;
    return 0;
}

/* The length in nanoseconds of the unit that fills `text`, or 0. */
static uint64_t unit_ns(const char *text, size_t length)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"", 1000000000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (length == strlen(units[i].name) && !memcmp(text, units[i].name, length))
            return units[i].ns;
    return 0;
}

int parse_duration_ns(int64_t *ret_ns, const char *text, size_t length)
{
    uint64_t whole;
    size_t used, decimals = 0;
    if (parse_leading(&whole, &used, text, length, 10) < 0 || used == 0)
        return -1;
    const char *fraction = text + used + 1;
    if (used < length && text[used] == '.') {
        while (used + 1 + decimals < length && digit_value(fraction[decimals]) < 10)
            decimals++;
        if (decimals == 0)
            return -1;
        used += 1 + decimals;
    }
    uint64_t unit = unit_ns(text + used, length - used);
    if (!unit || whole > INT64_MAX / unit)
        return -1;
    uint64_t ns = whole * unit;
    for (size_t i = 0; i < decimals; i++) {
        unit /= 10;
        ns += unit * digit_value(fraction[i]);
    }
    if (ns > INT64_MAX)
        return -1;
    *ret_ns = (int64_t)ns;
    return 0;
}

int parse_size(uint64_t *ret_bytes, const char *text, size_t length)
{
    uint64_t value;
    size_t used;
    if (parse_leading(&value, &used, text, length, 10) < 0 || used == 0 || length - used > 1)
        return -1;
    unsigned shift = 0;
    if (used < length) {
        static const char letters[] = "KMGkmg";
        const char *letter = memchr(letters, text[used], sizeof letters - 1);
        if (!letter)
            return -1;
        shift = 10 * (unsigned)((letter - letters) % 3 + 1);
    }
    if (value > UINT64_MAX >> shift)
        return -1;
    *ret_bytes = value << shift;
    return 0;
}
