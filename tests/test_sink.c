#include "io/sink.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#define MIB ((size_t)1 << 20)

static int new_file(void)
{
    char path[] = "/tmp/etlheap-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    return fd;
}

static struct out *open_sink(int fd, int level, unsigned threads)
{
    struct out *o = NULL;
    struct eh_error e = {0};
    ck_assert_msg(out_open(&o, fd, level, threads, &e) == 0, "%s", e.text);
    return o;
}

static uint8_t *file_bytes(int fd, size_t *ret_length)
{
    off_t size = lseek(fd, 0, SEEK_END);
    ck_assert_int_ge(size, 0);
    uint8_t *bytes = malloc((size_t)size + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(pread(fd, bytes, (size_t)size, 0), size);
    *ret_length = (size_t)size;
    return bytes;
}

/* What the n-th byte of a test's output is, so that lost and doubled bytes show. */
static char byte_at(uint64_t n)
{
    return (char)(n * 31 + (n >> 8) * 7 + (n >> 20));
}

/* Puts `n` bytes by a reserve or by out_write(). */
static void put(struct out *o, size_t n, bool by_write)
{
    uint64_t from = out_position(o);
    char *bytes = by_write ? malloc(n + 1) : out_reserve(o, n);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = byte_at(from + i);
    if (by_write) {
        out_write(o, bytes, n);
        free(bytes);
    } else {
        out_commit(o, bytes + n);
    }
    ck_assert_uint_eq(out_position(o), from + n);
}

static const size_t sizes[] = {1,       0,       5,           MIB - 6,     1,       100,
                               MIB,     MIB + 1, 3 * MIB + 7, 2,           MIB - 1, 4096,
                               MIB / 2, 300000,  MIB * 2,     9 * MIB,     17,      MIB - 1};

static uint64_t put_all_sizes(struct out *o)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        put(o, sizes[i], i % 3 == 2);
    return out_position(o);
}

static void expect_bytes(const uint8_t *bytes, size_t length)
{
    size_t same = 0;
    while (same < length && bytes[same] == (uint8_t)byte_at(same))
        same++;
    ck_assert_uint_eq(same, length);
}

/* The loop tests count the threads. */
START_TEST(plain)
{
    int fd = new_file();
    struct out *o = open_sink(fd, 0, (unsigned)_i);
    put_all_sizes(o);
    put(o, 64 * MIB, false); /* the largest */
    put(o, 5, false);
    uint64_t length = out_position(o);
    struct eh_error e = {0};
    ck_assert_int_eq(out_error(o, &e), 0);
    ck_assert_int_eq(out_close(o, &e), 0);
    size_t n;
    uint8_t *bytes = file_bytes(fd, &n);
    ck_assert_uint_eq(n, length);
    expect_bytes(bytes, n);
    free(bytes);
    close(fd);
}
END_TEST

static void check_packed(int level, unsigned threads)
{
    int fd = new_file();
    struct out *o = open_sink(fd, level, threads);
    size_t length = (size_t)put_all_sizes(o);
    ck_assert_int_eq(out_close(o, NULL), 0);
    size_t n;
    uint8_t *bytes = file_bytes(fd, &n);
    ck_assert_uint_lt(n, length);
    ck_assert_uint_eq(bytes[4] >> 2 & 1, 1); /* the frame says that it has a checksum */
    ck_assert_uint_eq(ZSTD_findFrameCompressedSize(bytes, n), n); /* one frame, ended */
    uint8_t *unpacked = malloc(length + 1);
    ck_assert_ptr_nonnull(unpacked);
    ck_assert_uint_eq(ZSTD_decompress(unpacked, length + 1, bytes, n), length);
    expect_bytes(unpacked, length);
    free(unpacked);
    free(bytes);
    close(fd);
}

START_TEST(packed)
{
    check_packed(_i, (unsigned)_i);
}
END_TEST

static uint8_t *packed_bytes(int level, unsigned threads, size_t bytes, size_t step,
                             size_t *ret_length)
{
    int fd = new_file();
    struct out *o = open_sink(fd, level, threads);
    for (size_t done = 0; done < bytes; done += step)
        put(o, step < bytes - done ? step : bytes - done, false);
    ck_assert_int_eq(out_close(o, NULL), 0);
    uint8_t *whole = file_bytes(fd, ret_length);
    close(fd);
    return whole;
}

/* Sections end where they end, however many threads there are and however the bytes came. */
static void check_packed_the_same(int level)
{
    static const size_t lengths[] = {MIB / 2, MIB + 1, 9 * MIB + 5};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t one, n;
        uint8_t *wanted = packed_bytes(level, 1, lengths[i], 300001, &one);
        for (unsigned threads = 1; threads <= 4; threads += threads) {
            uint8_t *got = packed_bytes(level, threads, lengths[i], threads * 123457, &n);
            ck_assert_uint_eq(n, one);
            ck_assert(!memcmp(got, wanted, n));
            free(got);
        }
        free(wanted);
    }
}

START_TEST(packed_the_same)
{
    check_packed_the_same(_i);
}
END_TEST

/* The first of the levels with large sections. */
START_TEST(packed_high)
{
    check_packed_the_same(10);
}
END_TEST

/* Nothing written is an empty file, or a frame without content. */
START_TEST(nothing)
{
    for (int level = 0; level <= 1; level++) {
        int fd = new_file();
        ck_assert_int_eq(out_close(open_sink(fd, level, (unsigned)_i), NULL), 0);
        size_t n;
        uint8_t *bytes = file_bytes(fd, &n);
        ck_assert(level ? n > 0 : n == 0);
        if (level)
            ck_assert_uint_eq(ZSTD_decompress(bytes, 0, bytes, n), 0);
        free(bytes);
        close(fd);
    }
    ck_assert_int_eq(out_close(NULL, NULL), 0);
}
END_TEST

START_TEST(bad_level)
{
    struct out *o = NULL;
    struct eh_error e = {0};
    ck_assert_int_eq(out_open(&o, 1, 20, 1, &e), -1);
    ck_assert_int_eq(e.code, EH_ERR_USAGE);
    ck_assert_int_eq(out_open(&o, 1, -1, 1, &e), -1);
    ck_assert_ptr_null(o);
}
END_TEST

/* The first error stays; reserves go on working and bytes on counting. Odd numbers pack, 2 and 3
 * have a thread. */
START_TEST(full_disk)
{
    int fd = open("/dev/full", O_WRONLY);
    ck_assert_int_ge(fd, 0);
    struct out *o = open_sink(fd, _i % 2, (unsigned)_i / 2 + 1);
    struct eh_error e = {0};
    ck_assert_int_eq(out_error(o, &e), 0);
    uint64_t length = put_all_sizes(o);
    ck_assert_uint_gt(length, 15 * MIB);
    ck_assert_int_eq(out_error(o, &e), -1);
    ck_assert_int_eq(e.code, EH_ERR_IO);
    ck_assert_int_eq(e.sys, ENOSPC);
    memset(&e, 0, sizeof e);
    ck_assert_int_eq(out_close(o, &e), -1);
    ck_assert_int_eq(e.sys, ENOSPC);
    ck_assert_ptr_nonnull(strstr(e.text, "No space left"));
    close(fd);
}
END_TEST

/* An output smaller than the buffer meets the full disk in out_close(). */
START_TEST(full_disk_at_close)
{
    int fd = open("/dev/full", O_WRONLY);
    struct out *o = open_sink(fd, _i % 2, (unsigned)_i / 2 + 1);
    struct eh_error e = {0};
    put(o, 10, false);
    ck_assert_int_eq(out_error(o, &e), 0);
    ck_assert_int_eq(out_close(o, &e), -1);
    ck_assert_int_eq(e.sys, ENOSPC);
    close(fd);
}
END_TEST

START_TEST(closed_pipe)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    struct out *o = open_sink(ends[1], 0, (unsigned)_i / 2 + 1);
    struct eh_error e = {0};
    put_all_sizes(o);
    ck_assert_int_eq(out_close(o, &e), -1);
    ck_assert_int_eq(e.sys, EPIPE);
    close(ends[1]);
}
END_TEST

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

/* Reads the pipe slowly and exits with 0 when every byte is right. */
static void read_slowly(int fd, uint64_t length)
{
    static uint8_t bytes[70001];
    uint64_t at = 0;
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            if (bytes[i] != (uint8_t)byte_at(at))
                _exit(1);
    _exit(n < 0 || at != length);
}

/* Short writes, signals in the middle of them, and (odd) a pipe that does not block; from 2 on
 * a thread writes. */
START_TEST(interrupted_pipe)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(ends[1]);
        read_slowly(ends[0], 20 * (MIB + 12345));
    }
    close(ends[0]);
    if (_i % 2)
        ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    struct itimerval often = {{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &often, NULL);
    struct out *o = open_sink(ends[1], 0, (unsigned)_i / 2 + 1);
    for (int i = 0; i < 20; i++)
        put(o, MIB + 12345, i & 1);
    struct eh_error e = {0};
    ck_assert_msg(out_close(o, &e) == 0, "%s", e.text);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    close(ends[1]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static void check_file(int fd, int level, size_t length)
{
    size_t stored;
    uint8_t *bytes = file_bytes(fd, &stored);
    uint8_t *content = malloc(length + 1);
    ck_assert_ptr_nonnull(content);
    if (level)
        stored = ZSTD_decompress(content, length + 1, bytes, stored);
    else
        memcpy(content, bytes, stored < length ? stored : length);
    ck_assert_uint_eq(stored, length);
    expect_bytes(content, length);
    free(content);
    free(bytes);
    close(fd);
}

/* One sink into several files, plain and packed: each is whole, and counted from 0. */
START_TEST(switched)
{
    static const size_t lengths[] = {3 * MIB + 5, 0, 17, MIB};
    int fds[4], level = _i % 2 * 3;
    struct out *o = NULL;
    for (int i = 0; i < 4; i++) {
        fds[i] = new_file();
        if (o)
            out_switch(o, fds[i]);
        else
            o = open_sink(fds[i], level, (unsigned)_i / 2 + 1);
        ck_assert_uint_eq(out_position(o), 0);
        put(o, lengths[i], i & 1);
        put(o, 100, false);
        out_take_back(o, 100);
        ck_assert_uint_eq(out_position(o), lengths[i]);
    }
    struct eh_error e = {0};
    ck_assert_msg(out_close(o, &e) == 0, "%s", e.text);
    for (int i = 0; i < 4; i++)
        check_file(fds[i], level, lengths[i]);
}
END_TEST

/* What could not be written to the file before is not forgotten. */
START_TEST(switched_from_a_full_disk)
{
    int full = open("/dev/full", O_WRONLY), fd = new_file();
    struct eh_error e = {0};
    if (full < 0)
        return;
    struct out *o = open_sink(full, 0, (unsigned)_i);
    put(o, 10, false);
    out_switch(o, fd);
    ck_assert_int_eq(out_error(o, &e), -1);
    ck_assert_int_eq(e.sys, ENOSPC);
    put(o, 10, false);
    ck_assert_int_eq(out_close(o, NULL), -1);
    check_file(fd, 0, 0);
    close(full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink");
    TCase *tests = tcase_create("sink");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, plain, 1, 3);
    tcase_add_loop_test(tests, packed, 1, 4);
    tcase_add_loop_test(tests, packed_the_same, 1, 2);
    tcase_add_test(tests, packed_high);
    tcase_add_loop_test(tests, nothing, 1, 3);
    tcase_add_test(tests, bad_level);
    tcase_add_loop_test(tests, full_disk, 0, 4);
    tcase_add_loop_test(tests, full_disk_at_close, 0, 4);
    tcase_add_loop_test(tests, closed_pipe, 0, 4);
    tcase_add_loop_test(tests, interrupted_pipe, 0, 4);
    tcase_add_loop_test(tests, switched, 0, 4);
    tcase_add_loop_test(tests, switched_from_a_full_disk, 1, 3);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
