import pytest
import torch

from inverter.evaluation.judges import Gallery, Judge, draw_gallery, load_judge, reidentification
from inverter.evaluation.thumbnail import to_thumbnails


def test_agreement_is_by_top_class(judge: Judge) -> None:
    image = torch.zeros(3, 3, 4, 4)
    image[:, 0] = 0.5
    recon = image.clone()
    recon[1, 2] = 0.9
    assert (judge.look(recon).labels == judge.look(image).labels).tolist() == [True, False, True]
    assert judge.look(image).probabilities.sum(1).tolist() == pytest.approx([1.0] * 3)


def test_batches_do_not_change_what_a_judge_sees(judge: Judge) -> None:
    images = torch.rand(5, 3, 9, 6)
    torch.testing.assert_close(judge.embed(images), torch.cat([judge.embed(image[None]) for image in images]))


def test_ranks_and_ties() -> None:
    image = torch.tensor([[1.0, 0.0]] * 3)
    recon = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    gallery = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    found = reidentification(recon, image, gallery)
    assert found.ranks.tolist() == [1, 2, 3]  # similarities to the distractors: 0 and -1; a tie and -0.7; 1 and a tie
    assert found.top1.tolist() == [True, False, False]
    assert found.reciprocal_rank.tolist() == pytest.approx([1, 1 / 2, 1 / 3])
    assert found.chance_top1.tolist() == pytest.approx([1 / 3] * 3)
    assert found.chance_reciprocal_rank.tolist() == pytest.approx([(1 + 1 / 2 + 1 / 3) / 3] * 3)


def test_a_broken_embedding_ranks_last_and_a_copy_in_the_gallery_ties() -> None:
    image = torch.randn(1, 5)
    gallery = torch.cat([torch.randn(3, 5), image])
    assert reidentification(image, image, gallery).ranks.tolist() == [2]
    assert reidentification(image * torch.nan, image, gallery).ranks.tolist() == [5]


def test_excluded_distractors_do_not_count() -> None:
    image = torch.tensor([[1.0, 0.0]])
    gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = reidentification(image, image, gallery, torch.tensor([[True, False]]))
    assert found.ranks.tolist() == [1] and found.choices.tolist() == [2]


def test_gallery_leaves_out_an_images_own_source() -> None:
    gallery = Gallery(torch.zeros(3, 3, 2, 2), ("a", "b", "a"))
    recon = torch.ones(3, 3, 2, 2, dtype=torch.uint8)
    excluded = gallery.excluded(["b", "a", "c"], recon)
    assert excluded.tolist() == [[False, True, False], [True, False, True], [False] * 3]


def test_a_retrieved_picture_does_not_compete_with_its_copy_in_the_gallery() -> None:
    images = torch.rand(3, 3, 200, 150)
    gallery = Gallery(images, ("a", "b", "c"))
    excluded = gallery.excluded(["photo"] * 2, to_thumbnails(images[[2, 0]]))
    assert excluded.tolist() == [[False, False, True], [True, False, False]]


def test_drawn_gallery_is_fixed_and_bounded(batches: list) -> None:
    gallery = draw_gallery(batches, size=5, seed=0)
    again = draw_gallery(batches, size=5, seed=0)
    assert gallery.images.shape == (5, 3, 16, 12) and torch.equal(gallery.images, again.images)
    assert draw_gallery(batches, size=100).images.shape[0] == 12
    with pytest.raises(ValueError, match="empty"):
        draw_gallery([])


def test_unknown_judge_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="allowed: efficientnet-lite1"):
        load_judge("inception")
