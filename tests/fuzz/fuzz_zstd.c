/* Any bytes as a zstd stream: what comes out has an end, agrees with its size, and can be read. */
#include "fuzz.h"
#include "os_memory.h"

#include "io/source.h"


#define SPOOL_MAX (UINT64_C(1) << 18)

/* A few bytes may stand for gigabytes: that is the user's to stop. */
static int stop_when_large(void *context, uint64_t bytes)
{
    (void)context;
    return bytes > SPOOL_MAX;
}

static void read_all(struct source *s)
{
    static const size_t sizes[] = {1, 7, 65536};
    uint8_t *bytes = malloc(65536);
    struct eh_error e = {0};
    REQUIRE(bytes);
    for (int64_t at = 0, i = 0; at < source_size(s); i++) {
        size_t want = sizes[i % 3];
        int64_t n = source_read(s, at, bytes, want, &e), left = source_size(s) - at;
        REQUIRE(n == ((int64_t)want < left ? (int64_t)want : left));
        at += n;
    }
    REQUIRE(source_read(s, source_size(s), bytes, 1, &e) == 0);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    os_memory_set(bytes, length);
    struct source *s;
    struct eh_error e = {0};
    if (source_open(&s, "packed", stop_when_large, NULL, &e) < 0) {
        REQUIRE(e.code != EH_OK && *e.text);
    } else {
        int64_t offset = 0;
        const char *damage = source_damage(s, &offset);
        REQUIRE(!damage || (*damage && offset >= 0 && offset <= (int64_t)length));
        read_all(s);
        source_close(s);
    }
    return 0;
}
