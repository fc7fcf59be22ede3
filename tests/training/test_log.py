"""What a line of the log shows."""

from training.log import summary


def test_a_line_has_numbers_as_one_reads_them_and_leaves_out_quantities_of_several_values():
    values = {"epoch": 3, "loss/overall": 0.123456, "train/usage/1": 0.5, "lr": 2e-4, "img/s": 12.34, "selected": True}
    assert summary(values) == "loss/overall 0.1235  lr 0.0002  img/s 12.3"
