#include "null_writer.h"

int main(int argc, char **argv)
{
    return convert_main(&null_writer, argc, argv);
}
