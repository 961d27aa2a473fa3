"""Proposals and votes."""

import uuid
from decimal import Decimal

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.governance import GovernanceProposal, GovernanceVote, VoteChoice
from src.database.identity import User
from src.repositories import governance


@pytest.fixture
def voters(session: Session) -> list[uuid.UUID]:
    rows = [{"email": f"v{n}@example.org", "handle": f"voter{n}"} for n in range(3)]
    return list(session.scalars(insert(User).values(rows).returning(User.id)))


@pytest.fixture
def proposal(session: Session) -> GovernanceProposal:
    proposal = GovernanceProposal(title="More relays")
    session.add(proposal)
    session.flush()
    return proposal


def test_votes_count_by_weight(session: Session, proposal: GovernanceProposal, voters: list[uuid.UUID]) -> None:
    """One heavy yes outweighs one no; abstentions decide nothing."""
    choices = [(VoteChoice.YES, Decimal("1.5")), (VoteChoice.NO, Decimal(1)), (VoteChoice.ABSTAIN, Decimal(9))]
    for voter, (choice, weight) in zip(voters, choices, strict=True):
        session.add(GovernanceVote(proposal_id=proposal.id, voter_id=voter, choice=choice, weight=weight))
    session.flush()
    tally = governance.tally(session, proposal)
    assert (tally, tally.accepted) == (governance.Tally(Decimal("1.5"), Decimal(1), Decimal(9)), True)


def test_nobody_votes_twice(session: Session, proposal: GovernanceProposal, voters: list[uuid.UUID]) -> None:
    """The primary key is one vote for each proposal and voter."""
    votes = [{"proposal_id": proposal.id, "voter_id": voters[0], "choice": VoteChoice.NO}] * 2
    with pytest.raises(IntegrityError, match="governance_one_vote_each"):
        session.execute(insert(GovernanceVote).values(votes))


def test_a_proposal_outlives_its_author(session: Session, voters: list[uuid.UUID]) -> None:
    """Deleting the author's account leaves the proposal."""
    proposal = GovernanceProposal(title="Stay", author_id=voters[0])
    session.add(proposal)
    session.flush()
    session.delete(session.get_one(User, voters[0]))
    session.flush()
    session.refresh(proposal)
    assert proposal.author_id is None
