#include "case_line.h"

#include "gen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void line_fail(struct case_line *l, const char *format, ...)
{
    if (l->failed)
        return;
    l->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(l->error, sizeof l->error, format, args);
    va_end(args);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads exactly `digits` hexadecimal digits; *at moves behind them. -1 when there are fewer. */
static long hex_number(const char **at, int digits)
{
    long value = 0;
    for (int i = 0; i < digits; i++) {
        int digit = hex_digit(**at);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
        (*at)++;
    }
    return value;
}

/* UTF-8 of a code point below 0x10000; surrogates are written like any other (UTF-16 fields turn
 * them back, so lone ones can be made). */
static char *put_utf8(char *to, long point)
{
    if (point < 0x80) {
        *to++ = (char)point;
        return to;
    }
    if (point < 0x800) {
        *to++ = (char)(0xC0 | point >> 6);
    } else {
        *to++ = (char)(0xE0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (point & 0x3F));
    return to;
}

/* What stands behind a backslash at *from; writes to `to` and returns the place behind. */
static char *unescape(struct case_line *l, const char **from, char *to)
{
    char letter = *(*from)++;
    long point = 0;
    switch (letter) {
    case 'n':
        *to++ = '\n';
        return to;
    case 't':
        *to++ = '\t';
        return to;
    case '\\':
    case '"':
        *to++ = letter;
        return to;
    case 'x':
        point = hex_number(from, 2);
        *to = (char)point;
        break;
    case 'u':
        point = hex_number(from, 4);
        break;
    default:
        line_fail(l, "escapes are \\n \\t \\\\ \\\" \\xNN \\uNNNN");
        return to;
    }
    if (point <= 0) {
        line_fail(l, "\\%c wants %d hexadecimal digits, not all zero", letter,
                  letter == 'x' ? 2 : 4);
        return to;
    }
    return letter == 'x' ? to + 1 : put_utf8(to, point);
}

/* A quoted value at `from`, rewritten in place (it only gets shorter). Returns the place behind. */
static char *parse_quoted(struct case_line *l, char *start)
{
    const char *from = start + 1;
    char *to = start;
    while (*from && *from != '"' && !l->failed) {
        if (*from == '\\') {
            from++;
            to = unescape(l, &from, to);
        } else {
            *to++ = *from++;
        }
    }
    if (*from != '"') {
        line_fail(l, "the quoted text has no end");
        return start;
    }
    char *behind = start + (from + 1 - start);
    if (*behind && !is_blank(*behind))
        line_fail(l, "blank missing behind a quoted text");
    char *next = *behind ? behind + 1 : behind;
    *to = '\0';
    return next;
}

/* Ends the word at `at` and returns the place of the next one. */
static char *end_word(char *at)
{
    while (*at && !is_blank(*at))
        at++;
    if (*at)
        *at++ = '\0';
    return at;
}

static char *parse_word(struct case_line *l, char *at)
{
    char *equals = at + strcspn(at, "= \t\r");
    if (*equals != '=') {
        if (!*l->word)
            l->word = at;
        else if (!*l->second && l->count == 0)
            l->second = at;
        else
            line_fail(l, "'%.40s' is no key=value", at);
        return end_word(at);
    }
    if (!*l->word || equals == at || l->count == CASE_FIELDS) {
        line_fail(l, "%s", !*l->word ? "a line begins with a word" :
                           equals == at ? "a key is missing before '='" : "too many fields");
        return at;
    }
    *equals = '\0';
    char *value = equals + 1;
    l->fields[l->count++] = (struct case_field){at, value, false};
    return *value == '"' ? parse_quoted(l, value) : end_word(value);
}

void line_parse(struct case_line *l, char *text, const struct case_set *set)
{
    *l = (struct case_line){.word = "", .second = "", .set = set};
    for (char *at = text; !l->failed;) {
        while (is_blank(*at))
            at++;
        if (!*at || *at == '#')
            break;
        at = parse_word(l, at);
    }
}

int line_finish(struct case_line *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (!l->fields[i].used)
            line_fail(l, "%s%s%s has no field '%s'", l->word, *l->second ? " " : "", l->second,
                      l->fields[i].key);
    }
    return l->failed ? -1 : 0;
}

const char *line_next_value(struct case_line *l, const char *key, size_t *index)
{
    while (*index < l->count) {
        struct case_field *f = &l->fields[(*index)++];
        if (strcmp(f->key, key) == 0) {
            f->used = true;
            return f->value;
        }
    }
    return NULL;
}

const char *line_own_value(struct case_line *l, const char *key)
{
    size_t index = 0;
    const char *value = line_next_value(l, key, &index);
    if (value && line_next_value(l, key, &index))
        line_fail(l, "'%s' stands twice", key);
    return value;
}

const char *line_value(struct case_line *l, const char *key)
{
    const char *value = line_own_value(l, key);
    for (size_t i = l->set->count; !value && i-- > 0;) {
        if (strcmp(l->set->fields[i].key, key) == 0)
            value = l->set->fields[i].value;
    }
    return value;
}

const char *line_text(struct case_line *l, const char *key, const char *fallback)
{
    const char *value = line_value(l, key);
    return value ? value : fallback;
}

uint64_t text_number(struct case_line *l, const char *key, const char *text, unsigned width)
{
    bool negative = text[0] == '-';
    unsigned bits = 8 * width;
    uint64_t value;

    if (!gen_parse_number(text + negative, &value)) {
        line_fail(l, "%s=%.60s is no number", key, text);
        return 0;
    }
    uint64_t most = negative ? UINT64_C(1) << (bits - 1) : UINT64_MAX >> (64 - bits);
    if (value > most) {
        line_fail(l, "%s=%.60s does not fit %u bytes", key, text, width);
        return 0;
    }
    return negative ? 0 - value : value;
}

uint64_t line_number(struct case_line *l, const char *key, unsigned width, uint64_t fallback)
{
    const char *value = line_value(l, key);
    return value ? text_number(l, key, value, width) : fallback;
}

uint64_t line_required(struct case_line *l, const char *key, unsigned width)
{
    const char *value = line_value(l, key);
    if (!value) {
        line_fail(l, "%s wants %s=", l->word, key);
        return 0;
    }
    return text_number(l, key, value, width);
}

size_t line_choice(struct case_line *l, const char *key, const char *const *words, size_t fallback)
{
    const char *value = line_value(l, key);
    if (!value)
        return fallback;
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(value, words[i]) == 0)
            return i;
    }
    char all[128] = "";
    for (size_t i = 0; words[i]; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, " %s", words[i]);
    }
    line_fail(l, "%s=%.40s is none of%s", key, value, all);
    return fallback;
}

/* Nanoseconds of one unit, 0 for none. */
static uint64_t unit_ns(const char *unit)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) == 0)
            return units[i].ns;
    }
    return 0;
}

/* "1.5ms" as nanoseconds. A fraction below a nanosecond is cut off. */
static bool parse_duration(const char *text, uint64_t *ret_ns)
{
    uint64_t digits = 0, scale = 1;
    bool fraction = false;
    size_t i = 0;

    for (; (text[i] >= '0' && text[i] <= '9') || (text[i] == '.' && !fraction); i++) {
        if (text[i] == '.') {
            fraction = true;
            continue;
        }
        if (digits > UINT64_MAX / 10 - 1 || scale > UINT64_MAX / 10)
            return false;
        digits = digits * 10 + (uint64_t)(text[i] - '0');
        scale *= fraction ? 10 : 1;
    }
    uint64_t unit = unit_ns(text + i);
    if (i == 0 || unit == 0 || digits / scale > UINT64_MAX / 2 / unit)
        return false;
    *ret_ns = digits / scale * unit + digits % scale * unit / scale;
    return true;
}

int64_t line_time(struct case_line *l, const char *key, const struct case_clock *clock,
                  int64_t fallback)
{
    const uint64_t second = 1000000000;
    const char *value = line_value(l, key);
    uint64_t ns;

    if (!value)
        return fallback;
    bool after_last = value[0] == '+', negative = value[0] == '-';
    const char *amount = value + (after_last || negative);
    if (!parse_duration(amount, &ns)) {
        uint64_t ticks = text_number(l, key, after_last ? amount : value, 8);
        return (int64_t)(ticks + (after_last ? (uint64_t)clock->last : 0));
    }
    uint64_t ticks = ns / second * clock->ticks_per_second +
                     ns % second * clock->ticks_per_second / second;
    uint64_t base = (uint64_t)(after_last ? clock->last : clock->raw_start);
    return (int64_t)(negative ? base - ticks : base + ticks);
}

/* Days from 1601-01-01 to a date of the Gregorian calendar. */
static int64_t days_since_1601(int year, int month, int day)
{
    static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int past = year - 1601;
    return (int64_t)past * 365 + past / 4 - past / 100 + past / 400 + before_month[month - 1] +
           (leap && month > 2) + day - 1;
}

/* "2024-01-31", "2024-01-31T12:30:00", with up to seven decimals and perhaps a Z behind. */
static bool parse_iso(const char *text, int64_t *ret_filetime)
{
    int year, month, day, hour = 0, minute = 0, second = 0, used = 0;
    int64_t fraction = 0, unit = 10000000;

    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3)
        return false;
    text += used;
    if (*text == 'T') {
        if (sscanf(text, "T%2d:%2d:%2d%n", &hour, &minute, &second, &used) != 3)
            return false;
        text += used;
    }
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9' && unit > 1; text++) {
            unit /= 10;
            fraction += (*text - '0') * unit;
        }
    }
    text += *text == 'Z';
    if (*text || year < 1601 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    int64_t seconds = hour * 3600 + minute * 60 + second;
    seconds += days_since_1601(year, month, day) * 86400;
    *ret_filetime = seconds * 10000000 + fraction;
    return true;
}

int64_t line_filetime(struct case_line *l, const char *key, int64_t fallback)
{
    const char *value = line_value(l, key);
    int64_t filetime;

    if (!value)
        return fallback;
    if (parse_iso(value, &filetime))
        return filetime;
    return (int64_t)text_number(l, key, value, 8);
}

void text_hex(struct case_line *l, const char *key, const char *text, struct bytes *into)
{
    const char *at = text;
    while (*at) {
        if (*at == ' ' || *at == '\t') {
            at++;
            continue;
        }
        long value = hex_number(&at, 2);
        if (value < 0) {
            line_fail(l, "%s: pairs of hexadecimal digits are wanted", key);
            return;
        }
        bytes_number(into, 1, (uint64_t)value);
    }
}

void line_hex(struct case_line *l, const char *key, struct bytes *into)
{
    const char *value = line_value(l, key);
    if (value)
        text_hex(l, key, value, into);
}

void line_list(struct case_line *l, const char *key, unsigned width, struct bytes *into)
{
    const char *at = line_text(l, key, "");
    while (*at && !l->failed) {
        char item[32];
        size_t length = strcspn(at, ",");
        if (length >= sizeof item) {
            line_fail(l, "%s: '%.20s...' is no number", key, at);
            return;
        }
        memcpy(item, at, length);
        item[length] = '\0';
        bytes_number(into, width, text_number(l, key, item, width));
        at += length + (at[length] == ',');
    }
}

void line_guid(struct case_line *l, const char *key, const char *fallback, struct bytes *into)
{
    /* Where the digits of the text form go: three little-endian numbers, then bytes in order. */
    static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    const char *at = line_text(l, key, fallback);
    uint8_t *guid = bytes_grow(into, 16);

    if (!guid)
        return;
    at += *at == '{';
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            at += *at == '-';
        long value = hex_number(&at, 2);
        if (value < 0) {
            line_fail(l, "%s: a GUID has 32 hexadecimal digits", key);
            return;
        }
        guid[place[i]] = (uint8_t)value;
    }
    at += *at == '}';
    if (*at)
        line_fail(l, "%s: a GUID has 32 hexadecimal digits", key);
}
