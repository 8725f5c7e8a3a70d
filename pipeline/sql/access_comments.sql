-- What the tables and views of telephone logs mean; replaced whenever this file changes.

COMMENT ON TABLE contact IS 'One row per unique id in telephone logs: attempts of callers, outbound calls, transferred legs';
COMMENT ON COLUMN contact.contact_id IS 'Unique id of the call, as in contact_event';
COMMENT ON COLUMN contact.direction IS 'inbound | outbound | internal | transfer; NULL when only the queue log knows the call';
COMMENT ON COLUMN contact.caller_key IS 'Pseudonym of the outside number (of the called one for outbound calls); NULL when withheld';
COMMENT ON COLUMN contact.did IS 'Number that was dialled, of inbound calls';
COMMENT ON COLUMN contact.queue IS 'First queue entered; NULL when none';
COMMENT ON COLUMN contact.disposition IS 'Disposition of the call detail record';
COMMENT ON COLUMN contact.wait_s IS 'Seconds in the first queue until an operator answered or the wait ended';
COMMENT ON COLUMN contact.started_at_local IS 'Start by the wall clock of the exchange';
COMMENT ON COLUMN contact.ended_at_utc IS 'End of the leg, UTC';
COMMENT ON COLUMN contact.sequence IS 'Number after the dot of the unique id: order of calls of one second';
COMMENT ON COLUMN contact.attempt IS 'Whether this is an attempt: an original inbound leg to a described number';
COMMENT ON COLUMN contact.did_queue IS 'Queue of the dialled number; NULL when it has none';
COMMENT ON COLUMN contact.out_of_hours IS 'Whether an attempt started outside the opening hours of its queue; NULL without a queue';
COMMENT ON COLUMN contact.in_queue IS 'Whether the queue log has any event of the call';
COMMENT ON COLUMN contact.answered IS 'Whether an operator of the queue of its number answered the attempt; without a queue: disposition ANSWERED';
COMMENT ON COLUMN contact.abandoned IS 'Whether the caller hung up in the queue of the dialled number; NULL without a queue';

COMMENT ON TABLE contact_event IS 'One row per accepted line of a queue log';
COMMENT ON COLUMN contact_event.contact_id IS 'Unique id of the caller''s channel; NONE or MANAGER for events of no call';
COMMENT ON COLUMN contact_event.place IS 'Line of the log file: order of events of one second';
COMMENT ON COLUMN contact_event.detail IS 'Counts of the event as logged (seconds, positions); never a number of a caller';
COMMENT ON COLUMN contact_event.wait_s IS 'Seconds waited until CONNECT, ABANDON, a timeout or an empty queue; hold of the later events';
COMMENT ON COLUMN contact_event.talk_s IS 'Seconds of talk, of COMPLETE and transfer events';
COMMENT ON COLUMN contact_event.ring_ms IS 'Milliseconds of ringing, of RINGNOANSWER';
COMMENT ON COLUMN contact_event.line_key IS 'Keyed digest of the line, by which it is known again';
COMMENT ON COLUMN contact_event.sha256 IS 'log_file.sha256 of the file';

COMMENT ON TABLE contact_leg IS 'One row per accepted call detail record';
COMMENT ON COLUMN contact_leg.line_key IS 'Keyed digest of the line, by which it is known again';
COMMENT ON COLUMN contact_leg.uniqueid IS 'Unique id of the first channel of the leg';
COMMENT ON COLUMN contact_leg.linkedid IS 'Unique id of the first leg of the call';
COMMENT ON COLUMN contact_leg.sequence IS 'Number after the dot of the unique id';
COMMENT ON COLUMN contact_leg.direction IS 'inbound (original leg from outside) | outbound | internal | transfer';
COMMENT ON COLUMN contact_leg.dst IS 'Number dialled by a caller, queue or extension; NULL for numbers of subscribers';
COMMENT ON COLUMN contact_leg.caller_key IS 'Pseudonym of the calling number; NULL when withheld or an extension';
COMMENT ON COLUMN contact_leg.called_key IS 'Pseudonym of the called number of legs that do not come from outside';
COMMENT ON COLUMN contact_leg.extension IS 'Extension of the second channel; NULL when none';
COMMENT ON COLUMN contact_leg.started_at_utc IS 'Start, UTC';
COMMENT ON COLUMN contact_leg.started_at_local IS 'Start by the wall clock of the exchange';
COMMENT ON COLUMN contact_leg.ended_at_utc IS 'End, UTC';
COMMENT ON COLUMN contact_leg.duration_s IS 'Seconds from start to end';
COMMENT ON COLUMN contact_leg.talk_s IS 'Seconds after the channel was answered (by an announcement too)';
COMMENT ON COLUMN contact_leg.disposition IS 'ANSWERED | NO ANSWER | BUSY | CONGESTION | FAILED';
COMMENT ON COLUMN contact_leg.sha256 IS 'log_file.sha256 of the file';

COMMENT ON TABLE log_file IS 'One row per loaded log file';
COMMENT ON COLUMN log_file.sha256 IS 'Digest of the bytes of the file';
COMMENT ON COLUMN log_file.file IS 'Name of the file';
COMMENT ON COLUMN log_file.kind IS 'cdr | queue_log';
COMMENT ON COLUMN log_file.total_lines IS 'Lines of the file';
COMMENT ON COLUMN log_file.accepted_lines IS 'Lines stored from it';
COMMENT ON COLUMN log_file.rejected_lines IS 'Lines that could not be understood, header lines among them';
COMMENT ON COLUMN log_file.duplicate_lines IS 'Valid lines that were met before, in this file or an earlier one';
COMMENT ON COLUMN log_file.crlf_lines IS 'Lines that end in CR LF';
COMMENT ON COLUMN log_file.run_id IS 'run.run_id that loaded the file';

COMMENT ON TABLE log_rejection IS 'One row per log file and reason of rejection';
COMMENT ON COLUMN log_rejection.sha256 IS 'log_file.sha256 of the file';
COMMENT ON COLUMN log_rejection.kind IS 'binary | header | truncated | wrong_columns | bad_date | bad_value | unknown_event';
COMMENT ON COLUMN log_rejection.lines IS 'Lines rejected for the reason';
COMMENT ON COLUMN log_rejection.sample_lines IS 'Numbers of the first such lines';
COMMENT ON COLUMN log_rejection.sample_shapes IS 'What they look like, every letter an x and every digit a 9';

COMMENT ON TABLE queue IS 'One row per queue described by the queues file';
COMMENT ON COLUMN queue.queue IS 'Name of the queue in the queue log';
COMMENT ON COLUMN queue.name IS 'Title';
COMMENT ON COLUMN queue.place IS 'Order in the queues file, from 0';

COMMENT ON TABLE queue_did IS 'One row per number that callers dial';
COMMENT ON COLUMN queue_did.did IS 'Number as dialled';
COMMENT ON COLUMN queue_did.queue IS 'Queue that it leads to; NULL when it rings a set directly';
COMMENT ON COLUMN queue_did.name IS 'Title';
COMMENT ON COLUMN queue_did.place IS 'Order in the queues file, from 0';

COMMENT ON TABLE queue_hours IS 'One row per opening interval of a queue and weekday, half-open';
COMMENT ON COLUMN queue_hours.queue IS 'queue.queue';
COMMENT ON COLUMN queue_hours.weekday IS 'Monday 0 to Sunday 6';
COMMENT ON COLUMN queue_hours.start_s IS 'Opening, seconds after local midnight (inside)';
COMMENT ON COLUMN queue_hours.end_s IS 'Closing, seconds after local midnight (outside)';

COMMENT ON TABLE queue_closed IS 'One row per queue and date on which it is shut all day';
COMMENT ON COLUMN queue_closed.queue IS 'queue.queue';
COMMENT ON COLUMN queue_closed.closed_on IS 'Local date';

COMMENT ON TABLE access_option IS 'One row: the limits behind the access figures';
COMMENT ON COLUMN access_option.threshold_s IS 'Longest wait, seconds, that counts as in time';
COMMENT ON COLUMN access_option.short_abandon_s IS 'A caller who gives up earlier, seconds, is a short abandon';
COMMENT ON COLUMN access_option.coverage_target IS 'Share of the out-of-hours attempts of weekdays that longer hours should cover';
COMMENT ON COLUMN access_option.dead_attempts IS 'Attempts from which on a number that never answers is dead';
COMMENT ON COLUMN access_option.period_end_local IS 'Local end of the logged period, exclusive; NULL: the last attempt';
COMMENT ON COLUMN access_option.key_check IS 'Digest that tells whether the secret of caller keys is the one of the lines stored; NULL before the first';

COMMENT ON VIEW v_contact IS 'One row per attempt of a caller to reach a described number';
COMMENT ON COLUMN v_contact.contact_id IS 'Unique id of the attempt';
COMMENT ON COLUMN v_contact.queue IS 'Queue of the dialled number; NULL when it has none';
COMMENT ON COLUMN v_contact.did IS 'Number that was dialled';
COMMENT ON COLUMN v_contact.caller_key IS 'Pseudonym of the caller''s number; NULL when withheld';
COMMENT ON COLUMN v_contact.started_at IS 'Local start';
COMMENT ON COLUMN v_contact.disposition IS 'Disposition of the call detail record; does not tell whether anyone was heard';
COMMENT ON COLUMN v_contact.out_of_hours IS 'Whether it started outside the opening hours';
COMMENT ON COLUMN v_contact.busy_congestion IS 'In hours, line limit reached';
COMMENT ON COLUMN v_contact.hung_up_before_queue IS 'In hours, not busy, and the queue log has no event of it';
COMMENT ON COLUMN v_contact.in_queue IS 'Whether the queue log has any event of it';
COMMENT ON COLUMN v_contact.answered IS 'Whether an operator of the queue answered';
COMMENT ON COLUMN v_contact.abandoned IS 'Whether the caller gave up in the queue';
COMMENT ON COLUMN v_contact.wait_s IS 'Seconds in the first queue';
COMMENT ON COLUMN v_contact.talk_s IS 'Seconds of talk in the first queue; without a queue: after the channel was answered';
COMMENT ON COLUMN v_contact.agent_id IS 'Operator who answered; NULL when nobody';
COMMENT ON COLUMN v_contact.call_id IS 'call.call_id of its recording; NULL when there is none';

COMMENT ON VIEW v_access_queue IS 'One row per queue, and one with queue = total that pools them: how callers got through';
COMMENT ON COLUMN v_access_queue.queue IS 'Queue, or total';
COMMENT ON COLUMN v_access_queue.attempts IS 'Attempts to the numbers of the queue';
COMMENT ON COLUMN v_access_queue.out_of_hours IS 'Attempts outside the opening hours';
COMMENT ON COLUMN v_access_queue.busy_congestion IS 'Attempts in hours that met busy or congestion';
COMMENT ON COLUMN v_access_queue.hung_up_before_queue IS 'Attempts in hours, not busy, without any queue event';
COMMENT ON COLUMN v_access_queue.anonymous_attempts IS 'Attempts without a number';
COMMENT ON COLUMN v_access_queue.entered_queue IS 'Legs that entered the queue, transferred ones too';
COMMENT ON COLUMN v_access_queue.entered_queue_original IS 'Of these, attempts to a number of the queue';
COMMENT ON COLUMN v_access_queue.joinempty_original IS 'Attempts that were not let in because nobody was logged in';
COMMENT ON COLUMN v_access_queue.transferred_in IS 'Legs that came by transfer, let in or not';
COMMENT ON COLUMN v_access_queue.answered IS 'Legs answered by an operator';
COMMENT ON COLUMN v_access_queue.answered_original IS 'Of these, original legs';
COMMENT ON COLUMN v_access_queue.abandoned IS 'Legs whose caller hung up while waiting';
COMMENT ON COLUMN v_access_queue.abandoned_original IS 'Of these, original legs';
COMMENT ON COLUMN v_access_queue.short_abandons IS 'Legs abandoned after less than access_option.short_abandon_s';
COMMENT ON COLUMN v_access_queue.timeouts IS 'Legs that left at the time limit of the queue';
COMMENT ON COLUMN v_access_queue.exitempty IS 'Legs put out because the last operator logged off';
COMMENT ON COLUMN v_access_queue.joinempty IS 'Legs not let in because nobody was logged in';
COMMENT ON COLUMN v_access_queue.wait_answered_median_s IS 'Median wait of answered legs, seconds, nearest rank';
COMMENT ON COLUMN v_access_queue.wait_answered_p90_s IS 'Wait that 90 % of answered legs did not exceed, seconds, nearest rank';
COMMENT ON COLUMN v_access_queue.wait_answered_max_s IS 'Longest wait of an answered leg, seconds';
COMMENT ON COLUMN v_access_queue.answered_within_20 IS 'Legs answered within access_option.threshold_s (20 by default)';
COMMENT ON COLUMN v_access_queue.abandoned_within_20 IS 'Legs abandoned within access_option.threshold_s (20 by default)';
COMMENT ON COLUMN v_access_queue.service_level_1 IS 'answered in time / answered; leaves out who gave up';
COMMENT ON COLUMN v_access_queue.service_level_2 IS 'answered in time / (answered + abandoned); the strict one of callers in the queue';
COMMENT ON COLUMN v_access_queue.service_level_3 IS 'answered in time / (answered + abandoned - short abandons)';
COMMENT ON COLUMN v_access_queue.service_level_4 IS '(answered in time + abandoned in time) / (answered + abandoned)';
COMMENT ON COLUMN v_access_queue.service_level_5 IS 'answered in time / attempts; the numerator holds transferred legs too';
COMMENT ON COLUMN v_access_queue.service_level_5_original IS 'original legs answered in time / attempts';
COMMENT ON COLUMN v_access_queue.blind_transfers IS 'Blind transfers out of the queue';
COMMENT ON COLUMN v_access_queue.attended_transfers IS 'Attended transfers out of the queue';
COMMENT ON COLUMN v_access_queue.completed_by_agent IS 'Calls that the operator ended';
COMMENT ON COLUMN v_access_queue.completed_by_caller IS 'Calls that the caller ended';
COMMENT ON COLUMN v_access_queue.talk_s IS 'Seconds of talk of completed and transferred calls';
COMMENT ON COLUMN v_access_queue.ringnoanswer IS 'Times an operator was rung and did not answer';

COMMENT ON VIEW v_access_more IS 'One row per queue and one for total: limits in force, talk by ending, episodes, missed calls';
COMMENT ON COLUMN v_access_more.queue IS 'Queue, or total';
COMMENT ON COLUMN v_access_more.threshold_s IS 'Longest wait, seconds, that counts as in time';
COMMENT ON COLUMN v_access_more.short_abandon_s IS 'Limit of short abandons, seconds';
COMMENT ON COLUMN v_access_more.coverage_target IS 'Target of v_access_extension';
COMMENT ON COLUMN v_access_more.talk_completed_s IS 'Seconds of talk of completed calls';
COMMENT ON COLUMN v_access_more.talk_transferred_s IS 'Seconds of talk before transfers';
COMMENT ON COLUMN v_access_more.ringnoanswer_ring_ms IS 'Milliseconds of ringing without answer';
COMMENT ON COLUMN v_access_more.episodes IS 'Episodes: tries of one number to one queue within a day';
COMMENT ON COLUMN v_access_more.got_through IS 'Episodes that ended with an answer';
COMMENT ON COLUMN v_access_more.never_got_through IS 'The other episodes';
COMMENT ON COLUMN v_access_more.share_never IS 'never_got_through / episodes';
COMMENT ON COLUMN v_access_more.never_censored IS 'Of never_got_through, those whose day goes beyond the logged period';
COMMENT ON COLUMN v_access_more.missed_with_number IS 'Attempts with a number that were out of hours or abandoned';
COMMENT ON COLUMN v_access_more.callbacks IS 'Of these, called back within two days';
COMMENT ON COLUMN v_access_more.callbacks_answered IS 'Of these, the call back was answered';

COMMENT ON VIEW v_access_day IS 'One row per queue and local date on which any attempt is logged; by the start of the attempt';
COMMENT ON COLUMN v_access_day.queue IS 'Queue of the dialled number';
COMMENT ON COLUMN v_access_day.date IS 'Local date';
COMMENT ON COLUMN v_access_day.attempts IS 'Attempts';
COMMENT ON COLUMN v_access_day.answered IS 'Of these, answered';
COMMENT ON COLUMN v_access_day.abandoned IS 'Of these, abandoned';
COMMENT ON COLUMN v_access_day.out_of_hours IS 'Of these, out of hours';

COMMENT ON VIEW v_access_half_hour IS 'One row per queue and half-hour of the week, all 336; by the start of the attempt';
COMMENT ON COLUMN v_access_half_hour.queue IS 'Queue of the dialled number';
COMMENT ON COLUMN v_access_half_hour.half_hour_of_week IS '48 * weekday (Monday 0) + 2 * hour + 1 in the second half of the hour';
COMMENT ON COLUMN v_access_half_hour.attempts IS 'Attempts';
COMMENT ON COLUMN v_access_half_hour.answered IS 'Of these, answered';
COMMENT ON COLUMN v_access_half_hour.out_of_hours IS 'Of these, out of hours';

COMMENT ON VIEW v_access_did IS 'One row per described number';
COMMENT ON COLUMN v_access_did.did IS 'Number as dialled';
COMMENT ON COLUMN v_access_did.queue IS 'Queue that it leads to; NULL when none';
COMMENT ON COLUMN v_access_did.attempts IS 'Attempts';
COMMENT ON COLUMN v_access_did.answered IS 'Of these, answered';
COMMENT ON COLUMN v_access_did.dead IS 'access_option.dead_attempts attempts or more, and none answered';

COMMENT ON VIEW v_episode IS 'One row per episode: tries of one number to one queue, up to an answer or for a day';
COMMENT ON COLUMN v_episode.queue IS 'Queue of the dialled number';
COMMENT ON COLUMN v_episode.caller_key IS 'Pseudonym of the number';
COMMENT ON COLUMN v_episode.started_at IS 'Local start of the first try';
COMMENT ON COLUMN v_episode.got_through IS 'Whether the last try was answered';
COMMENT ON COLUMN v_episode.tries IS 'Tries, the answered one included';

COMMENT ON VIEW v_access_tries IS 'One row per queue (and total), outcome and number of tries';
COMMENT ON COLUMN v_access_tries.queue IS 'Queue of the dialled number, or total';
COMMENT ON COLUMN v_access_tries.got_through IS 'Whether the last try was answered';
COMMENT ON COLUMN v_access_tries.tries IS 'Tries of an episode';
COMMENT ON COLUMN v_access_tries.episodes IS 'Episodes with that many tries';

COMMENT ON VIEW v_access_extension IS 'One row per queue: the smallest longer weekday hours that reach access_option.coverage_target';
COMMENT ON COLUMN v_access_extension.queue IS 'Queue';
COMMENT ON COLUMN v_access_extension.open IS 'Opening, HH:MM';
COMMENT ON COLUMN v_access_extension.close IS 'Closing, HH:MM';
COMMENT ON COLUMN v_access_extension.break_dropped IS 'Whether the break is worked through';
COMMENT ON COLUMN v_access_extension.added_half_hours IS 'Half-hours added to each weekday';
COMMENT ON COLUMN v_access_extension.covered IS 'Out-of-hours attempts that fall in them';
COMMENT ON COLUMN v_access_extension.out_of_hours_weekday IS 'Out-of-hours attempts Monday to Friday, closed dates left out';
COMMENT ON COLUMN v_access_extension.share IS 'covered / out_of_hours_weekday';

COMMENT ON VIEW v_missed IS 'One row per attempt with a number that was out of hours or abandoned';
COMMENT ON COLUMN v_missed.queue IS 'Queue of the dialled number';
COMMENT ON COLUMN v_missed.missed_kind IS 'out_of_hours | abandoned';
COMMENT ON COLUMN v_missed.missed_at IS 'Local start of the attempt';
COMMENT ON COLUMN v_missed.called_back_at IS 'Local start of the call back; NULL when there was none within two days';
COMMENT ON COLUMN v_missed.answered IS 'Whether the call back was answered; NULL when there was none';
COMMENT ON COLUMN v_missed.caller_key IS 'Pseudonym of the number';

COMMENT ON VIEW v_callback IS 'One row per missed attempt that was called back within two days';
COMMENT ON COLUMN v_callback.queue IS 'Queue of the dialled number';
COMMENT ON COLUMN v_callback.missed_kind IS 'out_of_hours | abandoned';
COMMENT ON COLUMN v_callback.missed_at IS 'Local start of the missed attempt';
COMMENT ON COLUMN v_callback.called_back_at IS 'Local start of the call back';
COMMENT ON COLUMN v_callback.answered IS 'Whether the call back was answered';

COMMENT ON VIEW v_log_quality IS 'One row per loaded log file: accepted + rejected + duplicate lines = total';
COMMENT ON COLUMN v_log_quality.file IS 'Name of the file';
COMMENT ON COLUMN v_log_quality.total_lines IS 'Lines of the file';
COMMENT ON COLUMN v_log_quality.accepted_lines IS 'Lines stored from it';
COMMENT ON COLUMN v_log_quality.rejected_lines IS 'Lines that could not be understood';
COMMENT ON COLUMN v_log_quality.duplicate_lines IS 'Valid lines met before';

COMMENT ON VIEW v_log_rejection IS 'One row per log file and reason of rejection';
COMMENT ON COLUMN v_log_rejection.file IS 'Name of the file';
COMMENT ON COLUMN v_log_rejection.kind IS 'binary | header | truncated | wrong_columns | bad_date | bad_value | unknown_event';
COMMENT ON COLUMN v_log_rejection.lines IS 'Lines rejected for the reason';
COMMENT ON COLUMN v_log_rejection.sample_lines IS 'Numbers of the first such lines';
COMMENT ON COLUMN v_log_rejection.sample_shapes IS 'What they look like, every letter an x and every digit a 9';
