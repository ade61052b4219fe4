#include "os_memory.h"

#include "fuzz.h"
#include "io/os.h"

#include <string.h>

enum { INPUT_FD = 3, SPOOL_FD = 4 };

static struct {
    const uint8_t *bytes;
    size_t length;
} input;

/* Kept from run to run: what one needs the next one will. */
static struct {
    uint8_t *bytes;
    size_t length, room;
    bool open;
} spool;

void os_memory_set(const uint8_t *bytes, size_t length)
{
    REQUIRE(!spool.open); /* the run before closed what it opened */
    os_memory_change(bytes, length);
}

void os_memory_change(const uint8_t *bytes, size_t length)
{
    input.bytes = bytes;
    input.length = length;
}

int os_open_read(const char *path)
{
    (void)path;
    return INPUT_FD;
}

void os_close(int fd)
{
    if (fd == SPOOL_FD)
        spool.open = false;
}

int os_status(int fd, struct os_status *ret_status)
{
    REQUIRE(fd == INPUT_FD);
    *ret_status = (struct os_status){OS_FILE, (int64_t)input.length, 1, 1};
    return 0;
}

int os_status_of_path(const char *path, struct os_status *ret_status)
{
    (void)path;
    return os_status(INPUT_FD, ret_status);
}

int64_t os_position(int fd)
{
    (void)fd;
    return 0;
}

int64_t os_read(int fd, void *into, size_t length)
{
    (void)fd, (void)into, (void)length;
    abort(); /* files are read by offset */
}

int64_t os_read_at(int fd, int64_t offset, void *into, size_t length)
{
    const uint8_t *bytes = fd == INPUT_FD ? input.bytes : spool.bytes;
    size_t size = fd == INPUT_FD ? input.length : spool.length;
    REQUIRE(offset >= 0 && (fd == INPUT_FD || spool.open));
    if ((uint64_t)offset >= size)
        return 0;
    size_t n = size - (size_t)offset < length ? size - (size_t)offset : length;
    memcpy(into, bytes + offset, n);
    return (int64_t)n;
}

int os_write(int fd, const void *bytes, size_t length)
{
    REQUIRE(fd == SPOOL_FD && spool.open);
    if (spool.room - spool.length < length) {
        spool.room = 2 * (spool.length + length);
        spool.bytes = realloc(spool.bytes, spool.room);
        REQUIRE(spool.bytes);
    }
    memcpy(spool.bytes + spool.length, bytes, length);
    spool.length += length;
    return 0;
}

const char *os_temp_folder(void)
{
    return "memory";
}

int os_temp_file(void)
{
    REQUIRE(!spool.open);
    spool.open = true;
    spool.length = 0;
    return SPOOL_FD;
}
