/* bus/systemd-property - "MemoryMax=1G" into a message for systemd. Only for src/bus. Quiet. */
#pragma once

struct bus;
struct sd_bus_message;

/* Append one struct (sv). -EINVAL: it is no property, or no value for it. */
int systemd_append_property(struct bus *bus, struct sd_bus_message *message, const char *text);
