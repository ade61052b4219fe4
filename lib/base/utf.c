#include "base/utf.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT 0xFFFDu

size_t utf16_length(const uint8_t *text, size_t units)
{
    size_t n = 0;
    while (n < units && load_u16(text + 2 * n))
        n++;
    return n;
}

static size_t encode(uint32_t c, char *into)
{
    if (c < 0x80) {
        into[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        into[0] = (char)(0xC0 | c >> 6);
        into[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        into[0] = (char)(0xE0 | c >> 12);
        into[1] = (char)(0x80 | (c >> 6 & 0x3F));
        into[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    into[0] = (char)(0xF0 | c >> 18);
    into[1] = (char)(0x80 | (c >> 12 & 0x3F));
    into[2] = (char)(0x80 | (c >> 6 & 0x3F));
    into[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static bool is_high(uint32_t c)
{
    return c >= 0xD800 && c < 0xDC00;
}

static bool is_low(uint32_t c)
{
    return c >= 0xDC00 && c < 0xE000;
}

size_t utf8_from_utf16(const uint8_t *text, size_t units, char *into, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < units; i++) {
        uint32_t c = load_u16(text + 2 * i);
        if (is_high(c) && i + 1 < units && is_low(load_u16(text + 2 * i + 2)))
            c = 0x10000 + ((c - 0xD800) << 10) + (load_u16(text + 2 * ++i) - 0xDC00u);
        else if (is_high(c) || is_low(c))
            c = REPLACEMENT;
        char bytes[4];
        size_t n = encode(c, bytes);
        if (room - used < n)
            break;
        memcpy(into + used, bytes, n);
        used += n;
    }
    return used;
}

size_t ansi_length(const uint8_t *text, size_t length)
{
    const uint8_t *nul = length ? memchr(text, 0, length) : NULL;
    return nul ? (size_t)(nul - text) : length;
}

/* Length of the valid UTF-8 character at `at`, 0 if it is none: overlong forms and surrogates are
 * not. */
static size_t character(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0x80)
        return 1;
    size_t n = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || left < n)
        return 0;
    uint32_t c = at[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (at[i] & 0x3F);
    }
    return c >= least[n] && c <= 0x10FFFF && !is_high(c) && !is_low(c) ? n : 0;
}

static size_t valid_length(const uint8_t *text, size_t length)
{
    size_t i = 0;
    for (size_t n; i < length && (n = character(text + i, length - i)); i += n)
        ;
    return i;
}

size_t utf8_valid_length(const char *text, size_t length)
{
    return valid_length((const uint8_t *)text, length);
}

size_t utf8_from_ansi(const uint8_t *text, size_t length, char *into, size_t room)
{
    bool utf8 = valid_length(text, length) == length;
    size_t used = 0, n;
    for (size_t i = 0; i < length; i += utf8 ? n : 1) {
        char bytes[4];
        if (utf8)
            memcpy(bytes, text + i, n = character(text + i, length - i));
        else
            n = encode(text[i], bytes);
        if (room - used < n)
            break;
        memcpy(into + used, bytes, n);
        used += n;
    }
    return used;
}
