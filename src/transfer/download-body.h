/* transfer/download-body - what is done with the bytes of an answer, once its head was judged. */
#pragma once
#include "transfer/download-part.h"

#define PATIENCE_SECONDS 30

/* Once in an attempt: does the head fit to what is there already? */
int download_judge(struct transfer *transfer);

/* For curl. What goes wrong is noted in the transfer. */
size_t download_take_body(char *data, size_t size, size_t count, void *transfer);

/* For curl: 1 ends an attempt in which too little came or went for too long. */
int download_watch(void *transfer, curl_off_t total_in, curl_off_t in, curl_off_t total_out,
		   curl_off_t out);

/* Seconds over which that is looked at. */
unsigned int download_window(const struct transfer *transfer);

/* The body is complete: its sum and size. */
int download_end_body(struct transfer *transfer);

/* Before the first attempt, where the file has something already. */
int download_take_up(struct transfer *transfer);
