#include "text.h"

#include "base/bytes.h"

#include <stdbool.h>

/* Eight digits at once: every byte of one 64-bit word holds a digit, the most significant in the
 * lowest byte, so that a little-endian store prints them. The steps split 8 digits into 2 x 4,
 * 4 x 2 and 8 x 1, dividing by 100 and by 10 through multiplications that are exact here. */
#define TEN_TO_8  UINT64_C(100000000)
#define ASCII_0x8 UINT64_C(0x3030303030303030)

static inline uint64_t eight_digits(uint64_t value)
{
    uint64_t halves = value / 10000 | (value % 10000) << 32;
    uint64_t hundreds = ((halves * 10486) >> 20) & UINT64_C(0x0000007F0000007F);
    uint64_t pairs = ((halves - 100 * hundreds) << 16) + hundreds;
    uint64_t tens = ((pairs * 103) >> 10) & UINT64_C(0x000F000F000F000F);
    return ((pairs - 10 * tens) << 8) + tens;
}

static inline char *put_eight(char *at, uint64_t value)
{
    store_u64((uint8_t *)at, eight_digits(value) | ASCII_0x8);
    return at + 8;
}

/* value < 10^8, without leading zeros; always stores 8 bytes. */
static inline char *put_up_to_eight(char *at, uint64_t value)
{
    uint64_t digits = eight_digits(value);
    unsigned zeros = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8;
    store_u64((uint8_t *)at, (digits | ASCII_0x8) >> (zeros * 8));
    return at + 8 - zeros;
}

/* Two digits at a time: 00 to 99. */
static const char pairs[200] = "0001020304050607080910111213141516171819"
                               "2021222324252627282930313233343536373839"
                               "4041424344454647484950515253545556575859"
                               "6061626364656667686970717273747576777879"
                               "8081828384858687888990919293949596979899";

static inline char *put_pair(char *at, uint32_t value)
{
    return put_bytes(at, pairs + value * 2, 2);
}

/* value < 10^4, without leading zeros. Most sizes and counts are this short. */
static inline char *put_short(char *at, uint32_t value)
{
    uint32_t high = value / 100;
    if (high >= 10)
        at = put_pair(at, high);
    else if (high)
        *at++ = (char)('0' + high);
    else if (value < 10) {
        *at++ = (char)('0' + value);
        return at;
    }
    return put_pair(at, value - high * 100);
}

char *put_six_digits(char *at, uint32_t value)
{
    uint32_t high = value / 10000, low = value - high * 10000;
    at = put_pair(at, high);
    at = put_pair(at, low / 100);
    return put_pair(at, low % 100);
}

char *put_u64(char *at, uint64_t value)
{
    if (value < 10000)
        return put_short(at, (uint32_t)value);
    if (value < TEN_TO_8)
        return put_up_to_eight(at, value);
    uint64_t high = value / TEN_TO_8;
    if (high < TEN_TO_8) {
        at = put_up_to_eight(at, high);
    } else {
        at = put_up_to_eight(at, high / TEN_TO_8);
        at = put_eight(at, high % TEN_TO_8);
    }
    return put_eight(at, value % TEN_TO_8);
}

char *put_i64(char *at, int64_t value)
{
    if (value >= 0)
        return put_u64(at, (uint64_t)value);
    *at = '-';
    return put_u64(at + 1, 0 - (uint64_t)value);
}

/* The eight nibbles of 32 bits as hexadecimal digits, the most significant in the lowest byte. */
static inline uint64_t eight_hex_digits(uint64_t bits)
{
    bits = (bits << 16 | bits) & UINT64_C(0x0000FFFF0000FFFF);
    bits = (bits << 8 | bits) & UINT64_C(0x00FF00FF00FF00FF);
    bits = (bits << 4 | bits) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    uint64_t letters = ((bits + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
    return __builtin_bswap64(bits + ASCII_0x8 + letters * ('a' - '0' - 10));
}

char *put_eight_hex_digits(char *at, uint32_t value)
{
    store_u64((uint8_t *)at, eight_hex_digits(value));
    return at + 8;
}

char *put_hex(char *at, uint64_t value)
{
    unsigned digits = (unsigned)(67 - __builtin_clzll(value | 1)) / 4;
    value <<= 64 - digits * 4;
    *at++ = '0';
    *at++ = 'x';
    store_u64((uint8_t *)at, eight_hex_digits(value >> 32));
    if (digits > 8)
        store_u64((uint8_t *)at + 8, eight_hex_digits(value & UINT32_MAX));
    return at + digits;
}

char *put_digits(char *at, uint64_t value, unsigned digits)
{
    if (digits > 8) {
        at = put_digits(at, value / TEN_TO_8, digits - 8);
        return put_eight(at, value % TEN_TO_8);
    }
    /* Digit by digit here: the caller reserved no more than it asked for. */
    uint64_t ascii = (eight_digits(value) | ASCII_0x8) >> (8 * (8 - digits) & 63);
    for (unsigned i = 0; i < digits; i++, ascii >>= 8)
        *at++ = (char)(ascii & 0xFF);
    return at;
}

char *put_8_digits(char *at, uint64_t value)
{
    return put_eight(at, value);
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

char *put_json_escaped(char *at, const char *s, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7F || c == '"' || c == '\\')
            at = put_escape(at, c);
        else
            *at++ = (char)c;
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
