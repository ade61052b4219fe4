/* The three expanders: nothing outside the two ranges (sanitizers watch exact blocks of memory), and
 * asking for less gives the beginning of what asking for more gives.
 * Input: algorithm, three bytes of length, then the packed stream. */
#include "fuzz.h"

#include "container/expand.h"

#include <stdbool.h>
#include <string.h>

typedef size_t (*expander)(const uint8_t *packed, size_t packed_length, uint8_t *into,
                           size_t length);

static uint8_t *expand(expander f, const uint8_t *packed, size_t packed_length, size_t length,
                       size_t *ret_done)
{
    uint8_t *into = malloc(length ? length : 1);
    REQUIRE(into);
    *ret_done = f(packed, packed_length, into, length);
    REQUIRE(*ret_done <= length);
    return into;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const expander expanders[] = {expand_xpress, expand_xpress_huffman, expand_lznt1};
    if (length < 4)
        return 0;
    expander f = expanders[bytes[0] % 3];
    size_t want = (size_t)bytes[1] | (size_t)bytes[2] << 8 | (size_t)(bytes[3] & 3) << 16;
    size_t packed_length = length - 4, long_done, short_done;
    uint8_t *packed = malloc(packed_length ? packed_length : 1);
    REQUIRE(packed);
    memcpy(packed, bytes + 4, packed_length);
    uint8_t *whole = expand(f, packed, packed_length, want, &long_done);
    size_t less = want / 2 + bytes[0] % 7 < want ? want / 2 + bytes[0] % 7 : want;
    uint8_t *part = expand(f, packed, packed_length, less, &short_done);
    size_t both = long_done < less ? long_done : less;
    /* Huffman's end mark is a match's symbol, too: it ends only a stream that gives too few bytes, so
     * that a shorter length may be reached past the mark at which a longer one ended. */
    bool past_mark = f == expand_xpress_huffman && long_done < less && short_done == less;
    REQUIRE(short_done == both || past_mark);
    REQUIRE(memcmp(whole, part, both) == 0);
    free(whole);
    free(part);
    free(packed);
    return 0;
}
