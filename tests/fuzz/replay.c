/* Runs every file of the folders it is given through one fuzz target, so that seeds and past crashes
 * are ordinary tests without a fuzzing engine. A finding ends the program before its closing line.
 *
 *     replay_reader FOLDER_OR_FILE ...
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    fseek(file, 0, SEEK_END);
    size_t length = (size_t)ftell(file);
    rewind(file);
    /* Exactly as large as the file: a sanitizer then sees every read behind its end. */
    uint8_t *bytes = malloc(length ? length : 1);
    size_t n = bytes ? fread(bytes, 1, length, file) : 0;
    fclose(file);
    fprintf(stderr, "%s\n", path);
    if (n == length)
        LLVMFuzzerTestOneInput(bytes, length);
    free(bytes);
    return n == length ? 0 : -1;
}

static int replay_folder(const char *path, unsigned *runs)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort), failed = 0;
    if (count < 0) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char whole[4096];
        snprintf(whole, sizeof whole, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            failed |= replay_file(whole);
            ++*runs;
        }
        free(names[i]);
    }
    free(names);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned runs = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        int failed = stat(argv[i], &st) ? -1 : 0;
        if (!failed && S_ISDIR(st.st_mode))
            failed = replay_folder(argv[i], &runs);
        else if (!failed && ++runs)
            failed = replay_file(argv[i]);
        if (failed)
            return 1;
    }
    printf("100%%: Checks: %u, Failures: 0, Errors: 0\n", runs);
    return runs ? 0 : 1;
}
