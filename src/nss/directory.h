/* nss/directory - where the machines are told (machine/hosts-file). A constant of the library; the
 * one that its tests load was compiled with another. */
#pragma once

extern const char directory_path[];
