/* What the fuzz targets share. A target is one LLVMFuzzerTestOneInput(): libFuzzer drives it in a
 * build with -Dfuzz=true, replay.c with files in every build. */
#ifndef ETLHEAP_TESTS_FUZZ_H
#define ETLHEAP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A property of the code under test. Holds in every build, unlike assert(). */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
