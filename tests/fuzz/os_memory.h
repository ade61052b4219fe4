/* lib/io/os.h without an operating system: one input and one temporary file, both in memory. For
 * fuzz targets that open traces; it takes the place of os_posix.c. */
#ifndef ETLHEAP_TESTS_OS_MEMORY_H
#define ETLHEAP_TESTS_OS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* What os_open_read() opens from now on, whatever the path; borrowed. */
void os_memory_set(const uint8_t *bytes, size_t length);

/* What is read from now on of the input that is open. */
void os_memory_change(const uint8_t *bytes, size_t length);

#endif
