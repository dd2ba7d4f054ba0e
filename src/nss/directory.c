#include "nss/directory.h"

const char directory_path[] = "/run/redd/hosts";
