#include "fuzz_json.h"

#include "fuzz.h"

#include <string.h>

static const char *skip_value(const char *s, int depth);

/* The checker reads all that is written: by hand, as calls of the C library, which sanitizers watch,
 * took more time than the writing. */
static const char *skip_space(const char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
        s++;
    return s;
}

static const char *skip_digits(const char *s)
{
    while (*s >= '0' && *s <= '9')
        s++;
    return s;
}

static const char *skip_word(const char *s, const char *word)
{
    while (*word)
        REQUIRE(*s++ == *word++);
    return s;
}

/* One character above ASCII; overlong forms and surrogates are errors. */
const char *skip_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    REQUIRE(s[0] >= 0xC2 && s[0] <= 0xF4);
    for (unsigned i = 1; i < length; i++)
        REQUIRE((s[i] & 0xC0) == 0x80);
    REQUIRE(s[0] != 0xE0 || s[1] >= 0xA0);
    REQUIRE(s[0] != 0xED || s[1] < 0xA0);
    REQUIRE(s[0] != 0xF0 || s[1] >= 0x90);
    REQUIRE(s[0] != 0xF4 || s[1] < 0x90);
    return text + length;
}

static const char *skip_string(const char *s)
{
    REQUIRE(*s++ == '"');
    while (*s != '"') {
        REQUIRE((unsigned char)*s >= 0x20);
        if (*s == '\\') {
            s++;
            REQUIRE(*s && strchr("\"\\/bfnrtu", *s));
            REQUIRE(*s != 'u' || strspn(s + 1, "0123456789abcdefABCDEF") >= 4);
            s += *s == 'u' ? 5 : 1;
        } else {
            s = (signed char)*s < 0 ? skip_utf8(s) : s + 1;
        }
    }
    return s + 1;
}

static const char *skip_members(const char *s, char close, int depth)
{
    s = skip_space(s);
    if (*s == close)
        return s + 1;
    for (;;) {
        if (close == '}') {
            s = skip_space(skip_string(s));
            REQUIRE(*s == ':');
            s = skip_space(s + 1);
        }
        s = skip_space(skip_value(s, depth + 1));
        if (*s == close)
            return s + 1;
        REQUIRE(*s == ',');
        s = skip_space(s + 1);
    }
}

static const char *skip_number(const char *s)
{
    s += *s == '-';
    const char *whole = s;
    s = skip_digits(s);
    REQUIRE(s > whole && (s == whole + 1 || *whole != '0'));
    if (*s == '.') {
        const char *fraction = s + 1;
        s = skip_digits(fraction);
        REQUIRE(s > fraction);
    }
    REQUIRE(*s != 'e' && *s != 'E');
    return s;
}

static const char *skip_value(const char *s, int depth)
{
    REQUIRE(depth < 64);
    switch (*s) {
    case '{':
        return skip_members(s + 1, '}', depth);
    case '[':
        return skip_members(s + 1, ']', depth);
    case '"':
        return skip_string(s);
    case 'n':
        return skip_word(s, "null");
    case 't':
        return skip_word(s, "true");
    case 'f':
        return skip_word(s, "false");
    default:
        return skip_number(s);
    }
}

void check_json(const char *text, size_t length)
{
    const char *end = skip_space(skip_value(skip_space(text), 0));
    REQUIRE((size_t)(end - text) == length);
}
