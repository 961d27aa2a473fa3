"""Users: list, read, create, change the role."""

import uuid
from typing import Literal

from fastapi import APIRouter, HTTPException, status
from pydantic import BaseModel, ConfigDict

from src.api import DatabaseSession, PageSize
from src.database.identity import User
from src.repositories import users

router = APIRouter(prefix="/users", tags=["users"])

Role = Literal["member", "operator", "admin"]


class UserIn(BaseModel):
    """A user to be created."""

    email: str
    handle: str
    full_name: str | None = None


class UserOut(BaseModel):
    """A user as others see it."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str
    handle: str
    full_name: str | None
    role: str
    is_active: bool


class RoleChange(BaseModel):
    """The role that a user shall have."""

    role: Role


@router.get("")
def list_users(session: DatabaseSession, limit: PageSize = 50) -> list[UserOut]:
    return [UserOut.model_validate(user) for user in users.newest(session, limit)]


@router.post("", status_code=status.HTTP_201_CREATED)
def create_user(body: UserIn, session: DatabaseSession) -> UserOut:
    if users.by_email(session, body.email) is not None:
        raise HTTPException(status.HTTP_409_CONFLICT, "this e-mail address is taken")
    user = User(email=body.email, handle=body.handle, full_name=body.full_name)
    session.add(user)
    session.flush()
    return UserOut.model_validate(user)


@router.get("/{user_id}")
def read_user(user_id: uuid.UUID, session: DatabaseSession) -> UserOut:
    user = session.get(User, user_id)
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such user")
    return UserOut.model_validate(user)


@router.put("/{user_id}/role")
def change_role(user_id: uuid.UUID, body: RoleChange, session: DatabaseSession) -> UserOut:
    user = session.get(User, user_id)
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such user")
    user.role = body.role
    session.flush()
    return UserOut.model_validate(user)
