#include "container/etl_resync.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "container/etl_header.h"

#include <string.h>

#define SCAN_BYTES 65536

/* What every header examined keeps to, and more than LIMIT_BUFFERS allows. */
#define SEQUENCE_END (INT64_C(1) << 40)
#define STATE_END    0x100u
#define FLAGS_END    0x80u

int resync_head(const struct resync *x, int64_t at, struct buffer_head *ret_head)
{
    struct buffer_head *h = ret_head;
    memset(h, 0, sizeof *h);
    int64_t n = source_read(x->source, at, h->bytes, sizeof h->bytes, x->e);
    if (n < 0)
        return -1;
    h->size = load_u32(h->bytes + BUF_SIZE);
    h->flags = load_u16(h->bytes + BUF_FLAGS);
    return n >= BUF_HEADER_BYTES;
}

/* Whether a first dword can be that of a record. */
static bool is_record_mark(uint32_t first)
{
    unsigned mark = first >> 24;
    return first != UINT32_MAX && ((mark & 0xC0) == REC_MARK_TRACE || mark == REC_MARK_WPP ||
                                   mark == REC_MARK_ULONG_TIME);
}

bool head_is_plausible(const struct buffer_head *h)
{
    uint32_t valid = load_u32(h->bytes + BUF_OFFSET);
    uint32_t first = load_u32(h->bytes + BUF_HEADER_BYTES);
    if (h->size < BUF_HEADER_BYTES || h->size > LIMIT_BUFFER_BYTES ||
        load_u16(h->bytes + BUF_TYPE) > BUF_TYPE_MAX || h->flags >= FLAGS_END)
        return false;
    if (head_is_compressed(h))
        return valid >= BUF_HEADER_BYTES && valid <= LIMIT_EXPANDED_BYTES;
    return h->size < BUF_HEADER_BYTES + 4 || first == 0 || first == UINT32_MAX ||
           is_record_mark(first);
}

/* Whether nothing in a plausible header speaks against it. */
static bool is_sane(const struct buffer_head *h)
{
    uint32_t valid = load_u32(h->bytes + BUF_OFFSET);
    int64_t sequence = load_i64(h->bytes + BUF_SEQUENCE);
    if (load_u32(h->bytes + BUF_STATE) >= STATE_END || sequence < 0 || sequence >= SEQUENCE_END ||
        valid < BUF_HEADER_BYTES)
        return false;
    return head_is_compressed(h) ||
           (valid <= h->size && (valid == BUF_HEADER_BYTES ||
                                 is_record_mark(load_u32(h->bytes + BUF_HEADER_BYTES))));
}

/* Whether a header has the sizes that buffers of this session have. */
static bool fits_session(const struct resync *x, const struct buffer_head *h)
{
    if (head_is_compressed(h))
        return x->packs && h->size <= x->step && load_u32(h->bytes + BUF_OFFSET) <= x->step;
    return h->size == (x->step ? x->step : x->last_plain);
}

/* Whether a header buffer with its session's record stands at `at`: 1, 0 or -1. */
static int holds_session(const struct resync *x, int64_t at, const struct buffer_head *h)
{
    uint8_t bytes[4096];
    struct etl_header header;
    if (load_u16(h->bytes + BUF_TYPE) != BUF_TYPE_HEADER)
        return 0;
    int64_t n = source_read(x->source, at, bytes, h->size < sizeof bytes ? h->size : sizeof bytes,
                            x->e);
    return n < 0 ? -1 : etl_header_parse(bytes, (size_t)n, &header);
}

static bool is_fill(uint8_t byte)
{
    return byte == 0 || byte == 0xFF;
}

/* Finds out once where the fill at the input's end begins. */
static int find_fill(struct resync *x)
{
    uint8_t bytes[SCAN_BYTES];
    for (int64_t end = x->size; end > 0;) {
        int64_t begin = end > SCAN_BYTES ? end - SCAN_BYTES : 0;
        int64_t n = source_read(x->source, begin, bytes, (size_t)(end - begin), x->e);
        if (n < 0)
            return -1;
        while (n > 0 && is_fill(bytes[n - 1]))
            n--;
        x->fill_from = begin + n;
        if (n > 0)
            break;
        end = begin;
    }
    x->fill_known = true;
    return 0;
}

int resync_only_fill(struct resync *x, int64_t at)
{
    if (!x->fill_known && find_fill(x) < 0)
        return -1;
    return at >= x->fill_from;
}

/* Whether a plausible header at `at` is sure: 1, 0 or -1. That another header seems to follow it
 * says nothing: records repeat, and with them whatever looks like a header. */
static int is_sure(struct resync *x, int64_t at, const struct buffer_head *h)
{
    if (!is_sane(h))
        return 0;
    return fits_session(x, h) ? 1 : holds_session(x, at, h);
}

int resync_standing(struct resync *x, int64_t at)
{
    struct buffer_head h;
    if (at > x->size)
        return STANDS_NOTHING;
    int unused = resync_only_fill(x, at);
    if (unused)
        return unused < 0 ? -1 : STANDS_SURE;
    int whole = resync_head(x, at, &h);
    if (whole <= 0)
        return whole < 0 ? -1 : STANDS_NOTHING;
    if (!head_is_plausible(&h))
        return STANDS_NOTHING;
    int sure = is_sure(x, at, &h);
    return sure < 0 ? -1 : sure ? STANDS_SURE : STANDS_PLAUSIBLE;
}

/* The first place in `bytes`, which lie at `at` in the input, where surely a buffer stands, among
 * the first `count`: its index, `count` when there is none, -1 on error. */
static int64_t search_bytes(struct resync *x, int64_t at, const uint8_t *bytes, int64_t count)
{
    struct buffer_head h;
    for (int64_t i = 0; i < count; i++) {
        /* Flags and type, of which few bits are used, are looked at first: most places end here. */
        const uint32_t unused_bits = ~((FLAGS_END - 1) | (uint32_t)BUF_TYPE_MAX << 16);
        if (load_u32(bytes + i + BUF_FLAGS) & unused_bits)
            continue;
        memcpy(h.bytes, bytes + i, sizeof h.bytes);
        h.size = load_u32(h.bytes + BUF_SIZE);
        h.flags = load_u16(h.bytes + BUF_FLAGS);
        int sure = head_is_plausible(&h) ? is_sure(x, at + i, &h) : 0;
        if (sure)
            return sure < 0 ? -1 : i;
    }
    return count;
}

int64_t resync_search(struct resync *x, int64_t from)
{
    enum { HEAD = sizeof((struct buffer_head *)0)->bytes };
    uint8_t bytes[SCAN_BYTES + HEAD]; /* a header may begin in the last bytes of the input */
    if (x->searched <= from && from <= x->found)
        return x->found;
    x->searched = from;
    x->found = x->size;
    /* A header takes more bytes than are left at the end of what was read: the next reading begins
     * with them. Behind the input's end there are zeros. */
    for (int64_t at = from; at + BUF_HEADER_BYTES <= x->size;) {
        memset(bytes, 0, sizeof bytes);
        int64_t n = source_read(x->source, at, bytes, SCAN_BYTES, x->e);
        if (n < 0)
            return -1;
        int64_t count = n == SCAN_BYTES ? n - HEAD + 1 : n - BUF_HEADER_BYTES + 1;
        if (count <= 0)
            break; /* the input has shrunk */
        int64_t i = search_bytes(x, at, bytes, count);
        if (i < 0)
            return -1;
        if (i < count) {
            x->found = at + i;
            break;
        }
        at += count;
    }
    return x->found;
}
