#include "container/etl_resync.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The search reads the input by chunks of this size, each beginning with the last bytes of the one
 * before, in which a header with its first record's beginning would not have had room. */
#define CHUNK   65536
#define HEAD    ((int64_t)sizeof((struct buffer_head *)0)->bytes)
#define STEP    (CHUNK - HEAD + 1)
#define LONGEST (2 * CHUNK + 200)
#define FROM    1 /* never where the input begins, as there its header buffer stands */

static char path[] = "/tmp/etlheap-test-XXXXXX";
static int file;
static uint8_t *bytes;

static void set_up(void)
{
    strcpy(path + sizeof path - 7, "XXXXXX");
    file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    bytes = malloc(LONGEST);
    ck_assert_ptr_nonnull(bytes);
}

static void tear_down(void)
{
    free(bytes);
    close(file);
    ck_assert_int_eq(unlink(path), 0);
}

static void store_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* A buffer without records, as large as its header. */
static void put_buffer(uint8_t *at)
{
    memset(at, 0, BUF_HEADER_BYTES);
    store_u32(at + BUF_SIZE, BUF_HEADER_BYTES);
    store_u32(at + BUF_OFFSET, BUF_HEADER_BYTES);
}

static void expect_found(int64_t size, int64_t place)
{
    struct eh_error e = {0};
    struct resync x = {.size = size, .e = &e, .step = BUF_HEADER_BYTES};
    ck_assert_int_eq(pwrite(file, bytes, (size_t)size, 0), size);
    ck_assert_int_eq(ftruncate(file, size), 0);
    ck_assert_int_eq(source_open(&x.source, path, NULL, NULL, &e), 0);
    int64_t found = resync_search(&x, FROM);
    ck_assert_msg(found == place, "%lld bytes: found %lld, not %lld", (long long)size,
                  (long long)found, (long long)place);
    /* Whoever asks from further on is told without another look. */
    ck_assert_int_eq(resync_search(&x, place / 2), place);
    source_close(x.source);
}

/* Only zeros, of which each place has to be looked at, to the last that has room for a header. With
 * its first record's beginning that ends behind the input, and of some lengths behind what was read
 * of it: a sanitizer sees every byte too many. */
START_TEST(input_ends_near_a_chunk)
{
    memset(bytes, 0, LONGEST);
    for (int64_t chunks = 0; chunks < 2; chunks++)
        for (int64_t n = CHUNK - 12; n <= CHUNK + 4; n++)
            expect_found(FROM + chunks * STEP + n, FROM + chunks * STEP + n);
}
END_TEST

/* The last place, at any distance from a chunk's end. */
START_TEST(last_header)
{
    for (int64_t chunks = 0; chunks < 2; chunks++)
        for (int64_t n = CHUNK - 100; n <= CHUNK + 100; n++) {
            int64_t size = FROM + chunks * STEP + n;
            memset(bytes, 0xEE, LONGEST);
            put_buffer(bytes + size - BUF_HEADER_BYTES);
            expect_found(size, size - BUF_HEADER_BYTES);
        }
}
END_TEST

/* One that lies across the end of a chunk, or on either side. */
START_TEST(header_across_chunks)
{
    for (int64_t place = FROM + STEP - 90; place <= CHUNK + 10; place++) {
        memset(bytes, 0xEE, LONGEST);
        put_buffer(bytes + place);
        expect_found(LONGEST, place);
    }
}
END_TEST

/* What is cut short is no header. */
START_TEST(too_short)
{
    memset(bytes, 0xEE, LONGEST);
    for (int64_t missing = 1; missing <= BUF_HEADER_BYTES; missing++) {
        int64_t size = FROM + CHUNK + 40;
        put_buffer(bytes + size - BUF_HEADER_BYTES + missing);
        expect_found(size, size);
        memset(bytes, 0xEE, LONGEST);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("etl_resync");
    TCase *tests = tcase_create("search");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, input_ends_near_a_chunk);
    tcase_add_test(tests, last_header);
    tcase_add_test(tests, header_across_chunks);
    tcase_add_test(tests, too_short);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
