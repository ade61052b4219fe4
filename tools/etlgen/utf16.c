#include "base/bytes.h"
#include "etl_write.h"

/* One code point of generalized UTF-8, in which surrogates are code points like any other: so a
 * lone surrogate can be written. A byte that starts no sequence becomes U+FFFD. */
static uint32_t next_code_point(const uint8_t **at)
{
    const uint8_t *p = *at;
    unsigned more = p[0] < 0x80 ? 0 : p[0] >= 0xF0 ? 3 : p[0] >= 0xE0 ? 2 : 1;
    uint32_t point = more ? p[0] & (0x3Fu >> more) : p[0];

    *at = p + 1;
    if (more && (p[0] < 0xC2 || p[0] > 0xF4))
        return 0xFFFD;
    for (unsigned i = 1; i <= more; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0xFFFD;
        point = point << 6 | (p[i] & 0x3Fu);
    }
    *at = p + 1 + more;
    return point <= 0x10FFFF ? point : 0xFFFD;
}

size_t utf16_bytes(const char *utf8)
{
    const uint8_t *at = (const uint8_t *)utf8;
    size_t units = 1;
    while (*at)
        units += next_code_point(&at) > 0xFFFF ? 2 : 1;
    return 2 * units;
}

uint8_t *put_utf16(uint8_t *into, const char *utf8)
{
    const uint8_t *at = (const uint8_t *)utf8;
    while (*at) {
        uint32_t point = next_code_point(&at);
        if (point > 0xFFFF) {
            store_u16(into, (uint16_t)(0xD7C0 + (point >> 10)));
            into += 2;
            point = 0xDC00 | (point & 0x3FF);
        }
        store_u16(into, (uint16_t)point);
        into += 2;
    }
    store_u16(into, 0);
    return into + 2;
}
