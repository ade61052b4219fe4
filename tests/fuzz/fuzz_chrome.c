/* The Chrome writer on any rows: what it writes is one strict JSON value in valid UTF-8.
 * Input: three bytes of choices, the rows. */
#include "fuzz_rows.h"

#include "chrome_writer.h"

#include <string.h>

static const char *const options[][2] = {
    {"resolution", "exact"}, {"resolution", "100ns"}, {"events", NULL}, {"no-events", NULL},
    {NULL, NULL},
};

static const char *skip_value(const char *s, int depth);

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

/* One character above ASCII; overlong forms and surrogates are errors. */
static const char *skip_utf8(const char *text)
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 3)
        return 0;
    uint32_t choices = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    struct fuzz_trace *t = fuzz_trace_create(bytes + 3, length - 3);
    struct fuzz_output o = fuzz_write(&chrome_writer, t, options, choices);
    const char *end = skip_space(skip_value(skip_space(o.bytes), 0));
    REQUIRE((size_t)(end - o.bytes) == o.length);
    free(o.bytes);
    fuzz_trace_destroy(t);
    return 0;
}
