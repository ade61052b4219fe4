#include "container/etl_record.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 256

/* What the format pages say of each kind of header; offsets as numbers, so that a slip in
 * etl_layout.h shows. An offset of 0 means that the header has no such field. */
static const struct header {
    uint8_t kind;
    uint8_t bytes;
    uint8_t pointer_size;
    uint8_t size_at;
    uint8_t hook_at; /* u16 */
    uint8_t opcode_at;
    uint8_t version_at;
    uint8_t thread_at;
    uint8_t time_at;
    uint8_t guid_at;
    uint8_t event_at;
} headers[] = {
    /* kind bytes pointer size hook opcode version thread time guid event */
    {1, 32, 4, 4, 6, 0, 0, 8, 16, 0, 0},
    {2, 32, 8, 4, 6, 0, 0, 8, 16, 0, 0},
    {3, 24, 4, 4, 6, 0, 0, 8, 16, 0, 0},
    {4, 24, 8, 4, 6, 0, 0, 8, 16, 0, 0},
    {10, 48, 4, 0, 0, 4, 6, 8, 16, 24, 0},
    {11, 72, 4, 0, 0, 4, 6, 8, 16, 24, 0},
    {12, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {13, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {14, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {15, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {16, 16, 4, 4, 6, 0, 0, 0, 8, 0, 0},
    {17, 16, 8, 4, 6, 0, 0, 0, 8, 0, 0},
    {18, 80, 4, 0, 0, 45, 42, 8, 16, 24, 40},
    {19, 80, 8, 0, 0, 45, 42, 8, 16, 24, 40},
    {20, 48, 8, 0, 0, 4, 6, 8, 16, 24, 0},
    {21, 72, 8, 0, 0, 4, 6, 8, 16, 24, 0},
    {99, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0},
};
#define HEADERS (int)(sizeof headers / sizeof *headers)

/* A record of that kind and size in `bytes`, every other byte telling its place. */
static void make(const struct header *h, uint8_t bytes[ROOM], unsigned size)
{
    for (unsigned i = 0; i < ROOM; i++)
        bytes[i] = (uint8_t)(i * 7 + 3);
    store_u16(bytes, 2); /* version without extensions; the size where it comes first */
    bytes[2] = h->kind;
    bytes[3] = 0xC0;
    store_u16(bytes + h->size_at, (uint16_t)size);
    if (h->event_at)
        store_u16(bytes + 4, 0); /* flags: no extended items */
}

static void expect_equal(const struct record *a, const struct record *b)
{
    ck_assert_ptr_eq(a->payload, b->payload);
    ck_assert_ptr_eq(a->guid, b->guid);
    ck_assert_ptr_eq(a->bytes, b->bytes);
    ck_assert_int_eq(a->has_time, b->has_time);
    if (a->has_time)
        ck_assert_int_eq(a->raw, b->raw);
    ck_assert_uint_eq(a->size, b->size);
    ck_assert_uint_eq(a->payload_size, b->payload_size);
    ck_assert_uint_eq(a->process_id, b->process_id);
    ck_assert_uint_eq(a->thread_id, b->thread_id);
    ck_assert_uint_eq(a->hook, b->hook);
    ck_assert_uint_eq(a->event, b->event);
    ck_assert_uint_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->version, b->version);
    ck_assert_uint_eq(a->pointer_size, b->pointer_size);
    ck_assert_int_eq(a->has_hook, b->has_hook);
}

static bool is_unset(const struct record *r)
{
    const uint8_t *bytes = (const uint8_t *)r;
    for (size_t i = 0; i < sizeof *r; i++)
        if (bytes[i] != 0xEE)
            return false;
    return true;
}

/* rec_parse() on a heap block of exactly `left` bytes, which the caller frees, and the rules that
 * hold for all of them: the way for all kinds says the same, a record that is not OK is not set. */
static enum rec_result parse_tight(const uint8_t *bytes, size_t left, struct record *ret_record,
                                   uint8_t **ret_block)
{
    uint8_t *block = malloc(left ? left : 1);
    ck_assert_ptr_nonnull(block);
    memcpy(block, bytes, left);
    struct record any;
    memset(&any, 0xEE, sizeof any);
    memset(ret_record, 0xEE, sizeof *ret_record);
    enum rec_result result = rec_parse(block, left, ret_record);
    ck_assert_int_eq(rec_parse_any(block, left, &any), result);
    if (result == REC_OK) {
        expect_equal(ret_record, &any);
        ck_assert_uint_le(ret_record->size, left);
        ck_assert_ptr_eq(ret_record->payload + ret_record->payload_size,
                         block + ret_record->size);
    } else if (result == REC_END) {
        ck_assert(is_unset(ret_record));
    }
    *ret_block = block;
    return result;
}

static void expect_result(const uint8_t *bytes, size_t left, enum rec_result expected)
{
    struct record r;
    uint8_t *block;
    ck_assert_int_eq(parse_tight(bytes, left, &r, &block), expected);
    free(block);
}

static void expect_header(const struct header *h, const uint8_t *bytes, unsigned size, size_t left)
{
    struct record r;
    uint8_t *block;
    ck_assert_int_eq(parse_tight(bytes, left, &r, &block), REC_OK);
    ck_assert_uint_eq(r.size, size);
    ck_assert_uint_eq(r.payload_size, size - h->bytes);
    ck_assert_uint_eq(r.kind, h->kind);
    ck_assert_uint_eq(r.pointer_size, h->pointer_size);
    ck_assert_int_eq(r.has_hook, h->hook_at != 0);
    ck_assert_uint_eq(r.hook, h->hook_at     ? load_u16(bytes + h->hook_at)
                              : h->opcode_at ? bytes[h->opcode_at]
                                             : 0);
    if (h->time_at)
        ck_assert_uint_eq(r.version, bytes[h->version_at]);
    ck_assert_uint_eq(r.thread_id, h->thread_at ? load_u32(bytes + h->thread_at) : REC_NO_ID);
    ck_assert_uint_eq(r.process_id, h->thread_at ? load_u32(bytes + h->thread_at + 4) : REC_NO_ID);
    ck_assert_int_eq(r.has_time, h->time_at != 0);
    if (h->time_at)
        ck_assert_int_eq(r.raw, load_i64(bytes + h->time_at));
    ck_assert_ptr_eq(r.guid, h->guid_at ? block + h->guid_at : NULL);
    ck_assert_uint_eq(r.event, h->event_at ? load_u16(bytes + h->event_at) : 0);
    free(block);
}

START_TEST(every_header)
{
    const struct header *h = &headers[_i];
    uint8_t bytes[ROOM];
    for (unsigned payload = 0; payload <= 33; payload++) {
        unsigned size = h->bytes + payload;
        make(h, bytes, size);
        expect_header(h, bytes, size, size);
        expect_header(h, bytes, size, size + 1);
        expect_header(h, bytes, size, ROOM);
    }
}
END_TEST

START_TEST(size_below_header)
{
    const struct header *h = &headers[_i];
    uint8_t bytes[ROOM];
    for (unsigned size = 0; size < h->bytes; size++) {
        make(h, bytes, size);
        expect_result(bytes, ROOM, REC_DAMAGED);
    }
}
END_TEST

START_TEST(size_beyond_end)
{
    const struct header *h = &headers[_i];
    uint8_t bytes[ROOM];
    static const unsigned sizes[] = {ROOM + 1, ROOM + 8, 0x7FFF, 0x8000, 0xFFFF};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make(h, bytes, sizes[i]);
        expect_result(bytes, ROOM, REC_DAMAGED);
    }
    make(h, bytes, ROOM);
    expect_result(bytes, ROOM, REC_OK);
}
END_TEST

START_TEST(cut_at_every_byte)
{
    const struct header *h = &headers[_i];
    uint8_t bytes[ROOM];
    unsigned size = h->bytes + 12;
    make(h, bytes, size);
    for (unsigned left = 0; left < size; left++)
        expect_result(bytes, left, left < 8 ? REC_END : REC_DAMAGED);
    expect_result(bytes, size, REC_OK);
}
END_TEST

START_TEST(largest_record)
{
    const struct header *h = &headers[_i];
    uint8_t *large = calloc(1, 0xFFFF), bytes[ROOM];
    ck_assert_ptr_nonnull(large);
    make(h, bytes, 0xFFFF);
    memcpy(large, bytes, ROOM);
    expect_header(h, large, 0xFFFF, 0xFFFF);
    expect_result(large, 0xFFFE, REC_DAMAGED);
    free(large);
}
END_TEST

START_TEST(perfinfo_extensions)
{
    const struct header *h = _i % 2 ? &headers[11] : &headers[10];
    ck_assert_uint_eq(h->kind, 16 + _i % 2);
    unsigned counters = (unsigned)_i / 2 % 8, pebs = (unsigned)_i / 16;
    unsigned header = 16 + 8 * counters + 8 * pebs;
    uint8_t bytes[ROOM];
    for (unsigned size = 8; size < header + 20; size++) {
        make(h, bytes, size);
        store_u16(bytes, (uint16_t)(pebs << 15 | 0x7800 | counters << 8 | 5));
        struct record r;
        uint8_t *block;
        enum rec_result result = parse_tight(bytes, size, &r, &block);
        ck_assert_int_eq(result, size < header ? REC_DAMAGED : REC_OK);
        if (result == REC_OK) {
            ck_assert_uint_eq(r.payload_size, size - header);
            ck_assert_uint_eq(r.version, 5);
            ck_assert_int_eq(r.raw, load_i64(bytes + 8));
            ck_assert_uint_eq(r.thread_id, REC_NO_ID);
        }
        free(block);
    }
}
END_TEST

START_TEST(no_more_records)
{
    uint8_t bytes[ROOM] = {0};
    expect_result(bytes, ROOM, REC_END);
    expect_result(bytes, 8, REC_END);
    memset(bytes, 0xFF, ROOM);
    expect_result(bytes, ROOM, REC_END);
    bytes[0] = 0xFE; /* mark 0xFF: a trace header of unknown kind 0xFF, whose size does not fit */
    expect_result(bytes, ROOM, REC_DAMAGED);
    for (unsigned left = 0; left < 8; left++)
        expect_result(bytes, left, REC_END);
}
END_TEST

/* 0xC0 to 0xFF begin a trace header, 0x90 a WPP message, 0xB0 one of time and no more. */
static void expect_mark(unsigned mark)
{
    uint8_t bytes[ROOM];
    make(&headers[1], bytes, 64);
    store_u16(bytes, 64); /* the size of those that have it in front */
    bytes[3] = (uint8_t)mark;
    bool known = mark >= 0xC0 || mark == 0x90 || mark == 0xB0;
    expect_result(bytes, ROOM, known ? REC_OK : REC_DAMAGED);
    struct record r;
    uint8_t *block;
    if (known && parse_tight(bytes, ROOM, &r, &block) == REC_OK) {
        ck_assert_uint_eq(r.kind, mark >= 0xC0 ? 2 : 0);
        ck_assert_int_eq(r.has_hook, mark >= 0xC0);
        ck_assert_uint_eq(r.size, 64);
        free(block);
    }
}

START_TEST(every_mark)
{
    for (unsigned mark = 0; mark < 256; mark++)
        expect_mark(mark);
}
END_TEST

static const struct wpp {
    uint16_t flags;
    uint8_t time_at; /* 0: none */
} wpps[] = {
    {0x00, 0},  {0x01, 0},  {0x02, 0},  {0x04, 0},  {0x07, 0},  {0x08, 8},
    {0x09, 12}, {0x0A, 24}, {0x0B, 28}, {0x0C, 12}, {0x0D, 16}, {0x0E, 12},
    {0x0F, 16}, {0x10, 8},  {0x11, 12}, {0x13, 28}, {0x18, 8},  {0xFFE0, 0},
};
#define WPPS (int)(sizeof wpps / sizeof *wpps)

START_TEST(wpp_time)
{
    const struct wpp *w = &wpps[_i];
    uint8_t bytes[ROOM];
    for (unsigned size = 8; size < 64; size++) {
        make(&headers[12], bytes, size);
        bytes[3] = 0x90;
        store_u16(bytes + 6, w->flags);
        struct record r;
        uint8_t *block;
        ck_assert_int_eq(parse_tight(bytes, size, &r, &block), REC_OK);
        bool timed = w->time_at && size >= w->time_at + 8u;
        ck_assert_int_eq(r.has_time, timed);
        if (timed)
            ck_assert_int_eq(r.raw, load_i64(bytes + w->time_at));
        ck_assert_uint_eq(r.kind, 0);
        ck_assert_uint_eq(r.pointer_size, 0);
        free(block);
    }
}
END_TEST

START_TEST(plain_time)
{
    uint8_t bytes[ROOM];
    for (unsigned size = 8; size < 40; size++) {
        make(&headers[12], bytes, size);
        bytes[3] = 0xB0;
        struct record r;
        uint8_t *block;
        ck_assert_int_eq(parse_tight(bytes, size, &r, &block), REC_OK);
        ck_assert_int_eq(r.has_time, size >= 16);
        if (size >= 16)
            ck_assert_int_eq(r.raw, load_i64(bytes + 8));
        free(block);
    }
}
END_TEST

/* An EVENT_HEADER record: items of these sizes, each saying whether another follows. */
static const struct chain {
    struct {
        uint16_t size, type, linkage, data;
    } items[4];
    unsigned size;    /* of the record */
    unsigned payload; /* where user data must begin */
    unsigned stack;   /* the length that a search for stacks must give */
} chains[] = {
    {{{0}}, 80, 80, 0},                                               /* no room for an item */
    {{{0}}, 87, 80, 0},                                               /* nor for its header */
    {{{0}}, 88, 80, 0},                                               /* an item of no size */
    {{{7, 6, 0, 0}}, 120, 80, 0},                                     /* too small */
    {{{8, 6, 0, 0}}, 120, 88, 0},                                     /* without data */
    {{{40, 6, 0, 32}}, 120, 120, 32},                                 /* fills the record */
    {{{48, 6, 0, 40}}, 120, 80, 0},                                   /* beyond the record */
    {{{0xFFFF, 6, 1, 8}}, 120, 80, 0},                                /* far beyond */
    {{{24, 6, 0, 16}, {16, 5, 0, 8}}, 160, 104, 16},                  /* linkage ends the chain */
    {{{16, 1, 1, 8}, {24, 5, 0, 16}}, 160, 120, 16},                  /* the second is a stack */
    {{{16, 1, 1, 8}, {24, 6, 1, 12}, {16, 2, 0, 8}}, 160, 136, 12},   /* in the middle */
    {{{16, 1, 1, 8}, {24, 6, 1, 12}, {0}}, 160, 120, 12},             /* chain broken behind it */
    {{{16, 1, 1, 8}, {24, 6, 1, 17}, {16, 5, 0, 8}}, 160, 136, 8},    /* data larger than item */
    {{{16, 1, 1, 8}, {64, 6, 1, 56}}, 152, 96, 0},                    /* the second is cut off */
    {{{16, 6, 0xFFFE, 8}, {16, 5, 0, 8}}, 160, 96, 8},                /* only bit 0 links */
    {{{16, 1, 1, 8}, {16, 2, 1, 8}, {16, 3, 1, 8}, {16, 4, 1, 8}}, 144, 144, 0}, /* never ends */
};
#define CHAINS (int)(sizeof chains / sizeof *chains)

static void make_chain(const struct chain *c, uint8_t bytes[ROOM], bool extended)
{
    make(&headers[13], bytes, c->size);
    store_u16(bytes + 4, extended);
    unsigned at = 80;
    for (int i = 0; i < 4 && at + 8 <= c->size; i++) {
        store_u16(bytes + at, c->items[i].size);
        store_u16(bytes + at + 2, c->items[i].type);
        store_u16(bytes + at + 4, c->items[i].linkage);
        store_u16(bytes + at + 6, c->items[i].data);
        at += c->items[i].size;
    }
}

START_TEST(extended_items)
{
    const struct chain *c = &chains[_i];
    uint8_t bytes[ROOM], *block;
    struct record r;
    make_chain(c, bytes, true);
    ck_assert_int_eq(parse_tight(bytes, c->size, &r, &block), REC_OK);
    ck_assert_uint_eq(c->size - r.payload_size, c->payload);
    unsigned type = 0;
    const uint8_t *data = NULL;
    size_t length = rec_extended_item(&r, 5, 6, &type, &data);
    ck_assert_uint_eq(length, c->stack);
    if (length) {
        ck_assert(type == 5 || type == 6);
        ck_assert_uint_eq(load_u16(data - 8 + 2), type);
        ck_assert(data + length <= r.payload);
    }
    free(block);
}
END_TEST

START_TEST(items_without_the_flag)
{
    const struct chain *c = &chains[_i];
    uint8_t bytes[ROOM], *block;
    struct record r;
    make_chain(c, bytes, false);
    ck_assert_int_eq(parse_tight(bytes, c->size, &r, &block), REC_OK);
    ck_assert_uint_eq(r.payload_size, c->size - 80);
    unsigned type;
    const uint8_t *data;
    ck_assert_uint_eq(rec_extended_item(&r, 5, 6, &type, &data), 0);
    free(block);
}
END_TEST

/* The chain cut short by the record's own size must never be read beyond it. */
START_TEST(items_of_every_length)
{
    struct chain c = chains[_i];
    uint8_t bytes[ROOM], *block;
    unsigned whole = c.size;
    for (unsigned size = 80; size <= whole; size++) {
        make_chain(&chains[_i], bytes, true);
        store_u16(bytes, (uint16_t)size);
        struct record r;
        ck_assert_int_eq(parse_tight(bytes, size, &r, &block), REC_OK);
        ck_assert_uint_le(size - r.payload_size, c.payload);
        unsigned type;
        const uint8_t *data;
        size_t length = rec_extended_item(&r, 5, 6, &type, &data);
        if (length)
            ck_assert(data + length <= block + size);
        free(block);
    }
}
END_TEST

START_TEST(items_only_of_events)
{
    struct record r;
    uint8_t bytes[ROOM], *block;
    make(&headers[1], bytes, 128);
    ck_assert_int_eq(parse_tight(bytes, 128, &r, &block), REC_OK);
    unsigned type;
    const uint8_t *data;
    ck_assert_uint_eq(rec_extended_item(&r, 5, 6, &type, &data), 0);
    free(block);
}
END_TEST

/* Random bytes, half of them with a mark and a kind that somebody knows. */
START_TEST(random_bytes)
{
    srand(7);
    int ok = 0;
    for (int i = 0; i < 5000; i++) {
        uint8_t bytes[ROOM], *block;
        size_t left = (size_t)(rand() % 200);
        for (int j = 0; j < ROOM; j++)
            bytes[j] = (uint8_t)rand();
        if (rand() % 2) {
            bytes[3] = 0xC0;
            bytes[2] = (uint8_t)(rand() % 24);
            bytes[rand() % 2 ? 1 : 5] = 0;
        }
        struct record r;
        if (parse_tight(bytes, left, &r, &block) == REC_OK) {
            unsigned type;
            const uint8_t *data;
            size_t length = rec_extended_item(&r, 5, 6, &type, &data);
            if (length)
                ck_assert(data + length <= block + left);
            ok++;
        }
        free(block);
    }
    ck_assert_int_gt(ok, 250);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("etl_record");
    TCase *tests = tcase_create("headers");
    tcase_add_loop_test(tests, every_header, 0, HEADERS);
    tcase_add_loop_test(tests, size_below_header, 0, HEADERS);
    tcase_add_loop_test(tests, size_beyond_end, 0, HEADERS);
    tcase_add_loop_test(tests, cut_at_every_byte, 0, HEADERS);
    tcase_add_loop_test(tests, largest_record, 0, HEADERS);
    tcase_add_loop_test(tests, perfinfo_extensions, 0, 32);
    tcase_add_test(tests, no_more_records);
    tcase_add_test(tests, every_mark);
    tcase_add_loop_test(tests, wpp_time, 0, WPPS);
    tcase_add_test(tests, plain_time);
    tcase_add_loop_test(tests, extended_items, 0, CHAINS);
    tcase_add_loop_test(tests, items_without_the_flag, 0, CHAINS);
    tcase_add_loop_test(tests, items_of_every_length, 0, CHAINS);
    tcase_add_test(tests, items_only_of_events);
    tcase_add_test(tests, random_bytes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
