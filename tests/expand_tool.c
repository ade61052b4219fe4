/* Lets a script reach the expanders and etlgen's packers: test_expand_peers.py compares them with
 * another implementation. Requests come on standard input, answers go to standard output:
 *
 *     request   u8 what (a letter below), u32 room, u32 length, length bytes
 *     answer    u32 length, length bytes: what came out, at most `room`
 */
#include "base/bytes.h"
#include "container/expand.h"
#include "huffman_pack.h"
#include "lznt1_pack.h"
#include "xpress_pack.h"

#include <stdio.h>
#include <stdlib.h>

typedef size_t transform(const uint8_t *bytes, size_t length, uint8_t *into, size_t room);

static transform *transform_by_letter(int letter)
{
    switch (letter) {
    case 'x': return expand_xpress;
    case 'h': return expand_xpress_huffman;
    case 'l': return expand_lznt1;
    case 'X': return xpress_pack;
    case 'H': return huffman_pack;
    case 'L': return lznt1_pack;
    default: return NULL;
    }
}

static int answer(int letter, uint32_t room, uint32_t length)
{
    transform *t = transform_by_letter(letter);
    uint8_t *bytes = malloc(length + 1u), *into = malloc(room + 1u), head[4];
    int result = -1;
    if (t && bytes && into && fread(bytes, 1, length, stdin) == length) {
        size_t n = t(bytes, length, into, room);
        store_u32(head, (uint32_t)n);
        if (fwrite(head, 1, sizeof head, stdout) == sizeof head &&
            fwrite(into, 1, n, stdout) == n && fflush(stdout) == 0)
            result = 0;
    }
    free(bytes);
    free(into);
    return result;
}

int main(void)
{
    uint8_t head[9];
    while (fread(head, 1, sizeof head, stdin) == sizeof head)
        if (answer(head[0], load_u32(head + 1), load_u32(head + 5)))
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
