#include "fuzz_json.h"

#include "fuzz.h"

#include <string.h>

static const char *skip_value(const char *s, int depth);

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t\r\n");
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
    const char *digits = "0123456789";
    s += *s == '-';
    size_t whole = strspn(s, digits);
    REQUIRE(whole && (whole == 1 || *s != '0'));
    s += whole;
    if (*s == '.') {
        size_t fraction = strspn(s + 1, digits);
        REQUIRE(fraction);
        s += 1 + fraction;
    }
    REQUIRE(*s != 'e' && *s != 'E');
    return s;
}

static const char *skip_value(const char *s, int depth)
{
    REQUIRE(depth < 64);
    if (*s == '{' || *s == '[')
        return skip_members(s + 1, *s == '{' ? '}' : ']', depth);
    if (*s == '"')
        return skip_string(s);
    static const char *const words[] = {"null", "true", "false"};
    for (int i = 0; i < 3; i++)
        if (!strncmp(s, words[i], strlen(words[i])))
            return s + strlen(words[i]);
    return skip_number(s);
}

void check_json(const char *text, size_t length)
{
    const char *end = skip_space(skip_value(skip_space(text), 0));
    REQUIRE((size_t)(end - text) == length);
}
