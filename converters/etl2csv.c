#include "csv_writer.h"

int main(int argc, char **argv)
{
    return convert_main(&csv_writer, argc, argv);
}
