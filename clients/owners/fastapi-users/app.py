"""Serves FastAPI-Users on PostgreSQL: sign-up, sign-in with tokens in a table, and the user.

    OWNER_DATABASE_URL=postgres://postgres@127.0.0.1:5432/name OWNER_PORT=8000 OWNER_SECRET=... python app.py

The models and routers are those of the library's documentation for SQLAlchemy, with the database strategy for tokens.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport
from fastapi_users.authentication.strategy import DatabaseStrategy
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users_db_sqlalchemy.access_token import SQLAlchemyAccessTokenDatabase, SQLAlchemyBaseAccessTokenTableUUID
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

url = os.environ["OWNER_DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://", 1)
engine = create_async_engine(url)
session_maker = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    pass


class UserManager(UUIDIDMixin, BaseUserManager[User, UUID]):
    reset_password_token_secret = os.environ["OWNER_SECRET"]
    verification_token_secret = os.environ["OWNER_SECRET"]


async def sessions() -> AsyncGenerator[AsyncSession, None]:
    async with session_maker() as session:
        yield session


async def users(session: AsyncSession = Depends(sessions)):
    yield SQLAlchemyUserDatabase(session, User)


async def access_tokens(session: AsyncSession = Depends(sessions)):
    yield SQLAlchemyAccessTokenDatabase(session, AccessToken)


async def manager(database=Depends(users)):
    yield UserManager(database)


def strategy(database=Depends(access_tokens)) -> DatabaseStrategy:
    return DatabaseStrategy(database, lifetime_seconds=3600)


@asynccontextmanager
async def lifespan(_: FastAPI):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)
backend = AuthenticationBackend("database", BearerTransport(tokenUrl="auth/login"), strategy)
fastapi_users = FastAPIUsers[User, UUID](manager, [backend])
app.include_router(fastapi_users.get_auth_router(backend), prefix="/auth")
app.include_router(fastapi_users.get_register_router(schemas.BaseUser[UUID], schemas.BaseUserCreate), prefix="/auth")
app.include_router(fastapi_users.get_users_router(schemas.BaseUser[UUID], schemas.BaseUserUpdate), prefix="/users")

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["OWNER_PORT"]))
