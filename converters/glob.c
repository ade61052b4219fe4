#include "glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Above every character: bytes that are no UTF-8. */
#define STRAY_BYTE 0x110000u

/* How many bytes the character has whose first one this is, 0 for none that begins one. */
static size_t character_bytes(uint8_t first)
{
    if (first < 0x80)
        return 1;
    return first >> 5 == 0x06 ? 2 : first >> 4 == 0x0E ? 3 : first >> 3 == 0x1E ? 4 : 0;
}

/* The character at *at, which must not be the end; moves *at behind it. */
static uint32_t take_character(const char **at)
{
    const uint8_t *s = (const uint8_t *)*at;
    size_t length = character_bytes(s[0]);
    uint32_t c = length > 1 ? s[0] & (0x7Fu >> length) : s[0];
    for (size_t i = 1; i < length; i++) {
        if (s[i] >> 6 != 2) {
            length = 0;
            break;
        }
        c = c << 6 | (s[i] & 0x3Fu);
    }
    *at += length ? length : 1;
    return length ? c : STRAY_BYTE | s[0];
}

static uint32_t other_case(uint32_t c)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter ? c ^ 0x20 : c;
}

/* The ] that closes the set whose first character is at `set`, or NULL. A ] at its beginning is one
 * of its characters. */
static const char *end_of_set(const char *set)
{
    set += *set == '!' || *set == '^';
    return *set ? strchr(set + 1, ']') : NULL;
}

static bool set_has(const char *set, const char *end, uint32_t c)
{
    bool negated = *set == '!' || *set == '^', found = false;
    uint32_t other = other_case(c);
    set += negated;
    while (set < end) {
        uint32_t first = take_character(&set), last = first;
        if (end - set > 1 && *set == '-') {
            set++;
            last = take_character(&set);
        }
        found = found || (first <= c && c <= last) || (first <= other && other <= last);
    }
    return found != negated;
}

/* Whether the pattern's next element, no star, fits the character; moves *pattern behind it. */
static bool element_fits(const char **pattern, uint32_t c)
{
    const char *set_end = **pattern == '[' ? end_of_set(*pattern + 1) : NULL;
    if (set_end) {
        const char *set = *pattern + 1;
        *pattern = set_end + 1;
        return set_has(set, set_end, c);
    }
    uint32_t wanted = take_character(pattern);
    return wanted == '?' || wanted == c || wanted == other_case(c);
}

/* Only the last star seen has to be tried with more text: what stood before it has found the
 * earliest place it fits, and a later one would not help. */
bool glob_match(const char *pattern, const char *name)
{
    const char *after_star = NULL, *star_end = NULL; /* and where the text it stands for ends */
    while (*name) {
        const char *next_pattern = pattern, *next_name = name;
        if (*pattern == '*') {
            after_star = ++pattern;
            star_end = name;
        } else if (*pattern && element_fits(&next_pattern, take_character(&next_name))) {
            pattern = next_pattern;
            name = next_name;
        } else if (after_star) {
            take_character(&star_end);
            pattern = after_star;
            name = star_end;
        } else {
            return false;
        }
    }
    return glob_is_any(pattern) || !*pattern;
}

bool glob_is_any(const char *pattern)
{
    return *pattern && !pattern[strspn(pattern, "*")];
}
