#include "io/source.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#define PLAIN_BYTES 3000001

static char folder[64];
static uint8_t *plain; /* PLAIN_BYTES that compress a little */

static void set_up(void)
{
    strcpy(folder, "/tmp/etlheap-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    plain = malloc(PLAIN_BYTES);
    ck_assert_ptr_nonnull(plain);
    uint32_t state = 7;
    for (size_t i = 0; i < PLAIN_BYTES; i++) {
        state = state * 1664525u + 1013904223u;
        plain[i] = (uint8_t)(state >> 28);
    }
}

static void tear_down(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    free(plain);
}

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const void *bytes, size_t length)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static struct source *open_source(const char *path)
{
    struct source *s = NULL;
    struct eh_error e = {0};
    ck_assert_msg(source_open(&s, path, NULL, NULL, &e) == 0, "%s", e.text);
    return s;
}

static void expect_refused(const char *path, enum eh_code code, const char *text)
{
    struct source *s = NULL;
    struct eh_error e = {0};
    ck_assert_int_eq(source_open(&s, path, NULL, NULL, &e), -1);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(e.code, code);
    ck_assert_msg(strstr(e.text, text) != NULL, "\"%s\" lacks \"%s\"", e.text, text);
}

/* Reads all of it, and pieces around its end. */
static void expect_bytes(struct source *s, const uint8_t *bytes, size_t length)
{
    struct eh_error e = {0};
    ck_assert_int_eq(source_size(s), (int64_t)length);
    uint8_t *read = malloc(length + 100);
    ck_assert_ptr_nonnull(read);
    ck_assert_int_eq(source_read(s, 0, read, length + 100, &e), (int64_t)length);
    ck_assert(memcmp(read, bytes, length) == 0);
    ck_assert_int_eq(source_read(s, (int64_t)length, read, 100, &e), 0);
    ck_assert_int_eq(source_read(s, (int64_t)length + 5, read, 100, &e), 0);
    if (length > 10) {
        ck_assert_int_eq(source_read(s, (int64_t)length - 3, read, 100, &e), 3);
        ck_assert(memcmp(read, bytes + length - 3, 3) == 0);
    }
    free(read);
}

static void expect_whole(struct source *s, const uint8_t *bytes, size_t length)
{
    int64_t offset;
    ck_assert_ptr_null(source_damage(s, &offset));
    expect_bytes(s, bytes, length);
    source_close(s);
}

static size_t pack(uint8_t *into, size_t room, const uint8_t *bytes, size_t length)
{
    size_t n = ZSTD_compress(into, room, bytes, length, 1);
    ck_assert(!ZSTD_isError(n));
    return n;
}

static uint8_t *room_for(size_t length)
{
    uint8_t *bytes = malloc(length);
    ck_assert_ptr_nonnull(bytes);
    return bytes;
}

/* A child that writes into `fd` in uneven pieces. */
static pid_t write_in_child(int fd, const uint8_t *bytes, size_t length)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child)
        return child;
    for (size_t at = 0, step = 1; at < length; at += step, step = step * 3 % 70001 + 1) {
        if (step > length - at)
            step = length - at;
        if (write(fd, bytes + at, step) != (ssize_t)step)
            _exit(1);
    }
    _exit(0);
}

static void expect_child_done(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(plain_file)
{
    expect_whole(open_source(write_file("a", plain, PLAIN_BYTES)), plain, PLAIN_BYTES);
    expect_whole(open_source(write_file("empty", "", 0)), plain, 0);
    const uint8_t half_magic[] = {0x28, 0xB5, 0x2F};
    expect_whole(open_source(write_file("half", half_magic, 3)), half_magic, 3);
}
END_TEST

START_TEST(refused)
{
    expect_refused(folder, EH_ERR_IO, "is a directory");
    expect_refused(in_folder("missing"), EH_ERR_IO, "No such file");
    expect_refused(in_folder(""), EH_ERR_IO, "is a directory");
}
END_TEST

/* A file that grows keeps the size it had; one that shrinks gives less. */
START_TEST(changing_file)
{
    struct eh_error e = {0};
    uint8_t bytes[16];
    struct source *s = open_source(write_file("a", "0123456789", 10));
    write_file("a", "0123456789abc", 13);
    ck_assert_int_eq(source_read(s, 8, bytes, 10, &e), 2);
    write_file("a", "01234", 5);
    ck_assert_int_eq(source_read(s, 3, bytes, 7, &e), 2);
    source_close(s);
}
END_TEST

START_TEST(named_pipe)
{
    const char *path = in_folder("pipe");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int fd = open(path, O_WRONLY);
        _exit(fd < 0 || write(fd, "hello", 5) != 5);
    }
    struct source *s = open_source(path);
    ck_assert(!source_same_file(s, path));
    expect_whole(s, (const uint8_t *)"hello", 5);
    expect_child_done(child);
}
END_TEST

static void expect_from_standard_input(const uint8_t *bytes, size_t length)
{
    int ends[2], kept = dup(0);
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = write_in_child(ends[1], bytes, length);
    close(ends[1]);
    dup2(ends[0], 0);
    close(ends[0]);
    struct source *s = open_source("-");
    expect_child_done(child);
    expect_whole(s, plain, PLAIN_BYTES);
    dup2(kept, 0);
    close(kept);
}

START_TEST(standard_input)
{
    expect_from_standard_input(plain, PLAIN_BYTES);
}
END_TEST

START_TEST(packed_standard_input)
{
    size_t room = ZSTD_compressBound(PLAIN_BYTES);
    uint8_t *packed = room_for(room);
    size_t n = pack(packed, room, plain, PLAIN_BYTES);
    expect_from_standard_input(packed, n);
    free(packed);
}
END_TEST

/* `(head -c 3 >/dev/null; etl2csv -) < file` reads from where the first reader stopped. */
START_TEST(standard_input_in_the_middle_of_a_file)
{
    int kept = dup(0), fd = open(write_file("a", "0123456789", 10), O_RDONLY);
    ck_assert_int_eq(lseek(fd, 3, SEEK_SET), 3);
    dup2(fd, 0);
    close(fd);
    struct source *s = open_source("-");
    ck_assert(source_same_file(s, in_folder("a")));
    expect_whole(s, (const uint8_t *)"3456789", 7);
    ck_assert_int_eq(lseek(0, 0, SEEK_CUR), 3);
    dup2(kept, 0);
    close(kept);
}
END_TEST

/* Frames in a row, with frames to skip before, between and behind. */
START_TEST(packed_frames)
{
    static const uint8_t skip[] = {0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'};
    size_t room = ZSTD_compressBound(PLAIN_BYTES) + 4096;
    uint8_t *packed = room_for(room);
    size_t n = 0, half = PLAIN_BYTES / 2;
    memcpy(packed, skip, sizeof skip);
    n += sizeof skip;
    n += pack(packed + n, room - n, plain, half);
    n += pack(packed + n, room - n, plain, 0);
    memcpy(packed + n, skip, sizeof skip);
    n += sizeof skip;
    n += pack(packed + n, room - n, plain + half, PLAIN_BYTES - half);
    memcpy(packed + n, skip, sizeof skip);
    n += sizeof skip;
    const char *path = write_file("a.zst", packed, n);
    struct source *s = open_source(path);
    ck_assert(source_same_file(s, path));
    expect_whole(s, plain, PLAIN_BYTES);
    expect_whole(open_source(write_file("skip", skip, sizeof skip)), plain, 0);
    free(packed);
}
END_TEST

/* Opens `length` bytes of a packed stream that is cut or goes on too long; what is there must be a
 * beginning of `plain` with at least `least` bytes. Returns where the damage is. */
static int64_t expect_damage(const uint8_t *packed, size_t length, const char *text, int64_t least)
{
    struct source *s = open_source(write_file("damaged", packed, length));
    int64_t offset = -1, size = source_size(s);
    const char *damage = source_damage(s, &offset);
    ck_assert_ptr_nonnull(damage);
    ck_assert_msg(strstr(damage, text) != NULL, "\"%s\" lacks \"%s\"", damage, text);
    ck_assert_int_ge(offset, 0);
    ck_assert_int_le(offset, (int64_t)length);
    ck_assert_int_ge(size, least);
    ck_assert_int_le(size, PLAIN_BYTES);
    expect_bytes(s, plain, (size_t)size);
    source_close(s);
    return offset;
}

START_TEST(damaged_stream)
{
    size_t room = ZSTD_compressBound(PLAIN_BYTES) + 16;
    uint8_t *packed = room_for(room);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(context, packed, room, plain, PLAIN_BYTES);
    ck_assert(!ZSTD_isError(n));
    ZSTD_freeCCtx(context);
    const int64_t most = PLAIN_BYTES - 3 * 131072; /* two blocks around the damage may be lost */

    ck_assert_int_eq(expect_damage(packed, n - 1, "cut short", PLAIN_BYTES), (int64_t)n - 1);
    ck_assert_int_eq(expect_damage(packed, n - 9, "cut short", most), (int64_t)n - 9);
    expect_damage(packed, n / 2, "cut short", PLAIN_BYTES / 2 - 3 * 131072);
    memcpy(packed + n, "tail", 4);
    ck_assert_int_eq(expect_damage(packed, n + 4, "not zstd", PLAIN_BYTES), (int64_t)n);
    ck_assert_int_eq(expect_damage(packed, n + 1, "not zstd", PLAIN_BYTES), (int64_t)n);
    packed[n - 1] ^= 1;
    expect_damage(packed, n, "checksum", PLAIN_BYTES);
    packed[n - 1] ^= 1;
    memset(packed + n / 2, 0xFF, 300);
    struct source *s = open_source(write_file("damaged", packed, n));
    int64_t offset = -1;
    ck_assert_ptr_nonnull(source_damage(s, &offset));
    ck_assert_int_ge(offset, (int64_t)n / 2 - 131072);
    ck_assert_int_ge(source_size(s), PLAIN_BYTES / 2 - 3 * 131072);
    source_close(s);
    free(packed);
}
END_TEST

START_TEST(hopeless_stream)
{
    uint8_t packed[256];
    size_t n = pack(packed, sizeof packed, plain, 10);
    expect_refused(write_file("a", packed, 4), EH_ERR_FORMAT, "cut short");
    expect_refused(write_file("a", packed, 8), EH_ERR_FORMAT, "not a valid zstd stream");
    packed[4] |= 0x08; /* a reserved bit of the frame header */
    expect_refused(write_file("a", packed, n), EH_ERR_FORMAT, "not a valid zstd stream");
}
END_TEST

/* The window is told by the frame's header; 1 << 27 is the last one taken. */
START_TEST(large_window)
{
    uint8_t packed[] = {0x28, 0xB5, 0x2F, 0xFD, 0x00, (27 - 10) << 3, 0x09, 0x00, 0x00, 'x'};
    packed[6] = 1 << 3 | 1; /* a last block of one byte, as it is */
    expect_whole(open_source(write_file("a", packed, sizeof packed)), (const uint8_t *)"x", 1);
    packed[5] = (28 - 10) << 3;
    expect_refused(write_file("a", packed, sizeof packed), EH_ERR_LIMIT, "128 MiB");
}
END_TEST

static int stop_at_second(void *context, uint64_t bytes)
{
    ck_assert_uint_gt(bytes, 0);
    return ++*(int *)context == 2;
}

START_TEST(stopped_by_the_caller)
{
    size_t room = ZSTD_compressBound(PLAIN_BYTES);
    uint8_t *packed = room_for(room);
    size_t n = pack(packed, room, plain, PLAIN_BYTES);
    struct source *s = NULL;
    struct eh_error e = {0};
    int calls = 0;
    const char *path = write_file("a.zst", packed, n);
    ck_assert_int_eq(source_open(&s, path, stop_at_second, &calls, &e), -1);
    ck_assert_int_eq(calls, 2);
    ck_assert_int_eq(e.code, EH_ERR_IO);
    ck_assert_int_eq(e.sys, EINTR);
    free(packed);
}
END_TEST

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

static int stop_at_once(void *context, uint64_t bytes)
{
    (void)context, (void)bytes;
    return 1;
}

/* A signal while nothing comes must not leave the program waiting for the pipe. */
START_TEST(stopped_while_waiting)
{
    int ends[2], kept = dup(0);
    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[0], 0);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    struct itimerval every = {{0, 20000}, {0, 20000}};
    setitimer(ITIMER_REAL, &every, NULL);
    struct source *s = NULL;
    struct eh_error e = {0};
    ck_assert_int_eq(source_open(&s, "-", stop_at_once, NULL, &e), -1);
    ck_assert_int_eq(e.sys, EINTR);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    dup2(kept, 0);
    close(kept);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* With a limit on file sizes, the temporary file cannot take it all. */
START_TEST(no_room_for_the_temporary_file)
{
    size_t room = ZSTD_compressBound(PLAIN_BYTES);
    uint8_t *packed = room_for(room);
    size_t n = pack(packed, room, plain, PLAIN_BYTES);
    const char *path = write_file("a.zst", packed, n);
    free(packed);
    struct rlimit kept;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, kept.rlim_max}), 0);
    setenv("TMPDIR", folder, 1);
    expect_refused(path, EH_ERR_IO, "set TMPDIR");
    expect_refused(path, EH_ERR_IO, folder);
    setenv("TMPDIR", "/nonexistent", 1);
    expect_refused(path, EH_ERR_IO, "/nonexistent");
    unsetenv("TMPDIR");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &kept), 0);
}
END_TEST

/* The temporary file has no name to be left behind. */
START_TEST(temporary_file_is_nameless)
{
    uint8_t packed[256];
    size_t n = pack(packed, sizeof packed, plain, 100);
    const char *path = write_file("a.zst", packed, n);
    char spool[96];
    snprintf(spool, sizeof spool, "%s/spool", folder);
    ck_assert_int_eq(mkdir(spool, 0700), 0);
    setenv("TMPDIR", spool, 1);
    struct source *s = open_source(path);
    ck_assert_int_eq(rmdir(spool), 0); /* empty while the source is open */
    expect_whole(s, plain, 100);
    unsetenv("TMPDIR");
}
END_TEST

START_TEST(same_file)
{
    struct source *s = open_source(write_file("a", "x", 1));
    char link_path[128];
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    ck_assert_int_eq(symlink(in_folder("a"), link_path), 0);
    ck_assert(source_same_file(s, in_folder("a")));
    ck_assert(source_same_file(s, link_path));
    write_file("b", "x", 1);
    ck_assert(!source_same_file(s, in_folder("b")));
    ck_assert(!source_same_file(s, in_folder("missing")));
    source_close(s);
    source_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source");
    TCase *tests = tcase_create("source");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, plain_file);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, changing_file);
    tcase_add_test(tests, named_pipe);
    tcase_add_test(tests, standard_input);
    tcase_add_test(tests, packed_standard_input);
    tcase_add_test(tests, standard_input_in_the_middle_of_a_file);
    tcase_add_test(tests, packed_frames);
    tcase_add_test(tests, damaged_stream);
    tcase_add_test(tests, hopeless_stream);
    tcase_add_test(tests, large_window);
    tcase_add_test(tests, stopped_by_the_caller);
    tcase_add_test(tests, stopped_while_waiting);
    tcase_add_test(tests, no_room_for_the_temporary_file);
    tcase_add_test(tests, temporary_file_is_nameless);
    tcase_add_test(tests, same_file);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
