/* For the library's unit tests. */
#include "nss/directory.h"

const char directory_path[] = "/mnt/hosts";
