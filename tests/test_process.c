#include "decode/process.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 256

enum sid { SID_NONE, SID_WHOLE, SID_ZEROED_POINTERS, SID_FORMS };

struct bytes {
    uint8_t at[ROOM];
    size_t length;
    size_t fixed; /* length before the SID: less than that is no process record */
};

static void put_u32(struct bytes *b, uint32_t v)
{
    store_u32(b->at + b->length, v);
    b->length += 4;
}

static void put_pointer(struct bytes *b, unsigned pointer_size, uint64_t v)
{
    store_u64(b->at + b->length, v); /* what is too much is written over */
    b->length += pointer_size;
}

static void put_ansi(struct bytes *b, const char *text)
{
    memcpy(b->at + b->length, text, strlen(text) + 1);
    b->length += strlen(text) + 1;
}

static void put_utf16(struct bytes *b, const char *text)
{
    do {
        store_u16(b->at + b->length, (uint8_t)*text);
        b->length += 2;
    } while (*text++);
}

static void put_sid(struct bytes *b, unsigned pointer_size, enum sid form)
{
    static const uint8_t sid[] = {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
                                  9, 9, 9, 9, 0xE8, 3, 0, 0};
    if (form == SID_NONE) {
        put_u32(b, 0);
        return;
    }
    put_pointer(b, pointer_size, form == SID_WHOLE ? 0xFFFFA00112345678 : 0);
    put_pointer(b, pointer_size, 0);
    memcpy(b->at + b->length, sid, sizeof sid);
    b->length += sizeof sid;
}

#define KEY      UINT64_C(0xFFFFE00145678080)
#define NAME     "gr\xFC\xDF.exe"
#define COMMAND  "gruss.exe /all"

/* decode/FORMAT.md D.1, row by row. */
static void make_process(struct bytes *b, unsigned version, unsigned pointer_size, enum sid form)
{
    *b = (struct bytes){.length = 0};
    if (version == 0) {
        put_pointer(b, pointer_size, 4321);
        put_pointer(b, pointer_size, 99);
    } else {
        put_pointer(b, pointer_size, KEY);
        put_u32(b, 4321);
        put_u32(b, 99);
        put_u32(b, 1);
        put_u32(b, 259);
    }
    if (version >= 3)
        put_pointer(b, pointer_size, 0x1AA000);
    if (version >= 4)
        put_u32(b, 7);
    b->fixed = b->length;
    put_sid(b, pointer_size, form);
    put_ansi(b, NAME);
    if (version >= 2)
        put_utf16(b, COMMAND);
    if (version >= 4) {
        put_utf16(b, "Package");
        put_utf16(b, "App");
    }
}

/* A record over a heap block of exactly `length` bytes, which the caller frees. */
static struct record tight_record(const struct bytes *b, size_t length, unsigned version,
                                  unsigned pointer_size)
{
    uint8_t *block = malloc(length ? length : 1);
    ck_assert_ptr_nonnull(block);
    memcpy(block, b->at, length);
    return (struct record){
        .payload = block,
        .payload_size = (uint32_t)length,
        .version = (uint8_t)version,
        .pointer_size = (uint8_t)pointer_size,
    };
}

static void free_record(const struct record *r)
{
    free((void *)r->payload);
}

/* The text as UTF-8 must be a beginning of `whole`, all of it if the record is. */
static void expect_text(const struct raw_text *text, const char *whole, bool complete)
{
    char utf8[ROOM];
    size_t n = raw_text_utf8(text, utf8, sizeof utf8);
    ck_assert_uint_le(n, strlen(whole));
    ck_assert_mem_eq(utf8, whole, n);
    if (complete)
        ck_assert_uint_eq(n, strlen(whole));
}

static void expect_process(const struct process_record *p, unsigned version, unsigned pointer_size,
                           bool complete)
{
    ck_assert_uint_eq(p->pid, 4321);
    ck_assert_uint_eq(p->parent_pid, 99);
    ck_assert_int_eq(p->has_key, version >= 2);
    if (p->has_key)
        ck_assert_uint_eq(p->key, pointer_size == 8 ? KEY : (uint32_t)KEY);
    ck_assert(!p->name.utf16);
    expect_text(&p->name, "gr\xC3\xBC\xC3\x9F.exe", complete);
    expect_text(&p->command_line, version >= 2 ? COMMAND : "", complete);
}

/* Versions 0 to 5, both widths, all forms of SID; whole, cut at every byte, and longer. */
START_TEST(processes)
{
    unsigned version = (unsigned)_i / 2 % 6, pointer_size = _i % 2 ? 8 : 4;
    enum sid form = (enum sid)(_i / 12);
    struct bytes b;
    make_process(&b, version, pointer_size, form);
    size_t whole = b.length;
    for (size_t length = 0; length <= whole + 9; length++) {
        struct record r = tight_record(&b, length, version, pointer_size);
        struct process_record p, before;
        memset(&p, 0xEE, sizeof p);
        before = p;
        bool done = process_decode(&r, &p);
        ck_assert_int_eq(done, length >= b.fixed);
        if (done)
            expect_process(&p, version, pointer_size, length >= whole);
        else
            ck_assert_mem_eq(&p, &before, sizeof p);
        free_record(&r);
    }
}
END_TEST

/* Zeros and then something that is no SID: the dword alone is taken, the name follows it. */
START_TEST(zeros_that_are_no_sid)
{
    static const uint8_t heads[][2] = {{2, 5}, {1, 0}, {1, 16}, {0, 5}};
    struct bytes b;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        make_process(&b, 3, 8, SID_ZEROED_POINTERS);
        memcpy(b.at + b.fixed + 16, heads[i], 2);
        struct record r = tight_record(&b, b.length, 3, 8);
        struct process_record p;
        ck_assert(process_decode(&r, &p));
        ck_assert_ptr_eq(p.name.bytes, r.payload + b.fixed + 4);
        ck_assert_uint_eq(p.name.length, 0);
        free_record(&r);
    }
}
END_TEST

/* A SID that claims more parts than the record has bytes leaves no name, not a wild one. */
START_TEST(sid_beyond_the_record)
{
    struct bytes b;
    make_process(&b, 4, 8, SID_WHOLE);
    b.at[b.fixed + 17] = 255;
    struct record r = tight_record(&b, b.length, 4, 8);
    struct process_record p;
    ck_assert(process_decode(&r, &p));
    ck_assert_uint_eq(p.pid, 4321);
    ck_assert_uint_eq(p.name.length, 0);
    ck_assert_uint_eq(p.command_line.length, 0);
    free_record(&r);
}
END_TEST

START_TEST(threads)
{
    unsigned version = (unsigned)_i / 2, pointer_size = _i % 2 ? 8 : 4;
    struct bytes b = {.length = 0};
    put_u32(&b, version ? 4321 : 77);
    put_u32(&b, version ? 77 : 4321);
    for (int i = 0; i < 7; i++)
        put_pointer(&b, pointer_size, 0x4141414141414141);
    put_u32(&b, 0x42424242);
    put_u32(&b, 0x43434343);
    size_t name = b.length;
    put_utf16(&b, "worker 1");
    for (size_t length = 0; length <= b.length; length++) {
        struct record r = tight_record(&b, length, version, pointer_size);
        struct thread_record t;
        ck_assert_int_eq(thread_decode(&r, &t), length >= 8);
        if (length >= 8) {
            ck_assert_uint_eq(t.pid, 4321);
            ck_assert_uint_eq(t.tid, 77);
            bool has_name = version >= 3 && length >= name + 2;
            ck_assert_int_eq(t.name.bytes != NULL, has_name);
            expect_text(&t.name, "worker 1", has_name && length == b.length);
        }
        free_record(&r);
    }
}
END_TEST

START_TEST(thread_names)
{
    struct bytes b = {.length = 0};
    put_u32(&b, 4321);
    put_u32(&b, 77);
    put_utf16(&b, "render");
    for (size_t length = 0; length <= b.length; length++) {
        struct record r = tight_record(&b, length, 2, 8);
        struct thread_record t;
        ck_assert_int_eq(thread_name_decode(&r, &t), length >= 8);
        if (length >= 8) {
            ck_assert_uint_eq(t.pid, 4321);
            ck_assert_uint_eq(t.tid, 77);
            ck_assert_uint_eq(t.name.length, length >= 20 ? 12 : (length - 8) / 2 * 2);
            expect_text(&t.name, "render", length >= 20);
        }
        free_record(&r);
    }
}
END_TEST

START_TEST(switches)
{
    struct bytes b = {.length = 0};
    for (uint32_t i = 0; i < 8; i++)
        put_u32(&b, 1000 + i);
    for (size_t length = 0; length <= b.length; length++) {
        struct record r = tight_record(&b, length, 4, 8);
        uint32_t tid = 5;
        ck_assert_int_eq(switch_decode(&r, &tid), length >= 24);
        ck_assert_uint_eq(tid, length >= 24 ? 1000 : 5);
        free_record(&r);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process");
    TCase *tests = tcase_create("payloads");
    tcase_add_loop_test(tests, processes, 0, 12 * SID_FORMS);
    tcase_add_test(tests, zeros_that_are_no_sid);
    tcase_add_test(tests, sid_beyond_the_record);
    tcase_add_loop_test(tests, threads, 0, 10);
    tcase_add_test(tests, thread_names);
    tcase_add_test(tests, switches);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
